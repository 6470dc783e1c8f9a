import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { expect, test } from 'vitest';
import { RingletError } from '../../src/base/errors.js';
import { LIMITS } from '../../src/base/limits.js';
import { Bodies } from '../../src/server/http/bodies.js';

/** A request whose body comes as the test says. */
class Sender {
  readonly raw = new EventEmitter();
  result: Buffer | Error | undefined;

  constructor(bodies: Bodies, headers: Record<string, string> = {}) {
    const request = { raw: this.raw, headers, routeOptions: { bodyLimit: 1 << 20 } };
    bodies.read(request as unknown as FastifyRequest, this.raw as IncomingMessage, (error, body) => {
      expect(this.result).toBeUndefined();
      this.result = error ?? body;
    });
  }
  sends(bytes: number): this {
    this.raw.emit('data', Buffer.alloc(bytes, 'x'));
    return this;
  }
  ends(): this {
    this.raw.emit('end');
    return this;
  }
  code(): string | undefined {
    return this.result instanceof RingletError ? this.result.code : undefined;
  }
}

const LARGE = LIMITS.httpSmallBody + 1;

test('large bodies share a limit: who goes beyond it is told to come again, until others are done', () => {
  const bodies = new Bodies(2 * LARGE);
  const first = new Sender(bodies).sends(LARGE);
  const second = new Sender(bodies).sends(LARGE).ends();
  expect(second.result).toHaveLength(LARGE);
  const third = new Sender(bodies).sends(LARGE);
  expect(third.code()).toBe('OVERLOADED');
  third.raw.emit('close');
  expect(new Sender(bodies).sends(LARGE).code()).toBe('OVERLOADED');
  first.raw.emit('close');
  second.raw.emit('close');
  expect(new Sender(bodies).sends(LARGE).ends().result).toHaveLength(LARGE);
});

test('small bodies, and lengths that are only announced, do not count', () => {
  const bodies = new Bodies(LARGE);
  const large = new Sender(bodies, { 'content-length': '1000000' }).sends(LIMITS.httpSmallBody);
  for (let i = 0; i < 10; i++)
    expect(new Sender(bodies).sends(LIMITS.httpSmallBody).ends().result).toHaveLength(LIMITS.httpSmallBody);
  expect(large.sends(1).ends().result).toHaveLength(LARGE);
});

test('a client that goes away within its body has aborted its request', () => {
  const sender = new Sender(new Bodies()).sends(1);
  sender.raw.emit('error', new Error('aborted'));
  expect(sender.code()).toBe('ABORTED');
});

test('the limit of the route holds for what is announced and for what comes', () => {
  const bodies = new Bodies();
  expect(new Sender(bodies, { 'content-length': String((1 << 20) + 1) }).code()).toBe('VALUE_TOO_LARGE');
  expect(
    new Sender(bodies)
      .sends(1 << 20)
      .sends(1)
      .code(),
  ).toBe('VALUE_TOO_LARGE');
  expect(new Sender(bodies).sends(1 << 20).ends().result).toHaveLength(1 << 20);
});
