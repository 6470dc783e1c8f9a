import assert from 'node:assert/strict';
import { ProtocolError } from '../../../src/server/resp/errors.js';
import { type ParserLimits, RequestParser } from '../../../src/server/resp/parser.js';
import { type Parsed, parseNaively } from '../../server/resp/naive-parser.js';
import { piecesOf, type Target } from '../target.js';

const LIMITS: ParserLimits = { bulkBytes: 200, arguments: 12, requestBytes: 400 };

/** Requests of Redis clients: in any pieces what the grammar says, and never more than the limits in memory. */
export function respTarget(): Target {
  const seeds = [
    '*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n',
    '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nv\r\n\r\n\r\n*1\r\n$4\r\nPING\r\n',
    'PING\r\nset "a b" \'c\' \r\n"\\x41\\n\\"" x\n',
    `*1\r\n$200\r\n${'x'.repeat(200)}\r\n`,
    '*0\r\n*-1\r\n*1\r\n$-1\r\n',
    '*99999999\r\n',
  ].map((text) => Buffer.from(text, 'latin1'));
  return {
    name: 'resp',
    seeds,
    check(input) {
      assert.deepEqual(parsed(piecesOf(input)), parseNaively(input.toString('latin1'), LIMITS));
    },
  };
}

function parsed(pieces: readonly Buffer[]): Parsed {
  const parser = new RequestParser(LIMITS);
  const requests: string[][] = [];
  try {
    for (const piece of pieces) {
      parser.feed(piece);
      while (parser.next()) {
        requests.push(Array.from({ length: parser.argc }, (_, i) => parser.argument(i).toString('latin1')));
      }
      // A line may be as long as Redis lets it be; a request not.
      assert.ok(parser.heldBytes <= LIMITS.requestBytes + piece.length + 64);
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    const message = error.message.replace('ERR Protocol error: ', '').replace(/(?<=^expected '.').*/, '');
    return { requests, error: message };
  }
  return { requests, error: undefined };
}
