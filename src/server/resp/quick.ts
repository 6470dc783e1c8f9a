import { LIMITS } from '../../base/limits.js';
import { copyBytes } from '../../base/memory.js';
import { errorText } from './errors.js';
import type { RequestParser } from './parser.js';
import type { Pipeline, Slot } from './pipeline.js';
import type { Session } from './session.js';

/** Three letters as one number, in lower case. */
const GET = 0x67_65_74;
const SET = 0x73_65_74;
const OK = Buffer.from('+OK\r\n');

/**
 * GET and SET without options, which are most of the traffic: without a list of arguments, without
 * promises where the answer is at hand, and several of one connection under way at the same time,
 * unless they are about the same key. What it does not take it leaves to the command's handler.
 */
export class QuickCommands {
  private readonly session: Session;
  private readonly pipeline: Pipeline;

  constructor(session: Session, pipeline: Pipeline) {
    this.session = session;
    this.pipeline = pipeline;
  }

  /** Whether the request was taken. */
  take({ argc, source, starts, ends }: RequestParser): boolean {
    const at = starts[0]!;
    if (argc < 2 || argc > 3 || ends[0]! - at !== 3 || this.pipeline.size >= LIMITS.respPipelined)
      return false;
    const name = ((source[at]! | 32) << 16) | ((source[at + 1]! | 32) << 8) | (source[at + 2]! | 32);
    const start = starts[1]!;
    const end = ends[1]!;
    if ((argc === 2 ? name !== GET : name !== SET) || end === start || end - start > LIMITS.keyBytes)
      return false;
    if (argc === 2) return this.get(source, start, end);
    return this.set(source.subarray(start, end), source.subarray(starts[2], ends[2]));
  }

  private get(source: Buffer, start: number, end: number): boolean {
    const { pipeline } = this;
    const { quick } = this.session.keyspace;
    if (quick === undefined) return false;
    const hash = quick.locate(source, start, end);
    if (pipeline.size > 0 && pipeline.concerns(hash)) return false;
    try {
      if (pipeline.size === 0) {
        if (quick.peek(this.write)) return true;
      } else if (quick.peek(this.keep)) {
        pipeline.add(hash).reply = this.kept;
        return true;
      }
    } catch {
      // The store is closed: the command's handler says so in its reply.
      return false;
    }
    return this.ask(source.subarray(start, end), hash);
  }

  /** Into the replies at once: nothing is before it. */
  private readonly write = (bytes: Uint8Array, start: number, length: number): void => {
    const { reply } = this.session;
    reply.bulkHead(length);
    copyBytes(bytes, start, reply.buffer, reply.length, length);
    reply.bulkEnd(length);
  };

  private kept: Buffer = OK;
  private readonly keep = (bytes: Uint8Array, start: number, length: number): void => {
    const head = `$${length}\r\n`;
    this.kept = Buffer.allocUnsafe(head.length + length + 2);
    this.kept.write(head, 'latin1');
    copyBytes(bytes, start, this.kept, head.length, length);
    this.kept.write('\r\n', head.length + length, 'latin1');
  };

  /** A get that is no matter of a look: beside others all the same. */
  private ask(key: Buffer, hash: number): boolean {
    const { keyspace, reply } = this.session;
    if (!keyspace.gate.tryEnter()) return false;
    const slot = this.pipeline.add(hash);
    void keyspace.ask(key).then(
      (value) => {
        if (value === undefined) {
          slot.reply = reply.protocol === 3 ? NULL : NULL_BULK;
        } else {
          this.keep(value, 0, value.length);
          slot.reply = this.kept;
        }
        this.answered(keyspace.gate);
      },
      (error: unknown) => this.failed(slot, error),
    );
    return true;
  }

  private set(key: Buffer, value: Buffer): boolean {
    const { keyspace } = this.session;
    const { quick, gate } = keyspace;
    if (quick === undefined) return false;
    const hash = quick.locate(key, 0, key.length);
    if (this.pipeline.concerns(hash) || !gate.tryEnter()) return false;
    const slot = this.pipeline.add(hash);
    try {
      const taken = quick.put(key, value, (failure) => {
        if (failure !== undefined) return this.failed(slot, failure);
        slot.reply = OK;
        this.answered(gate);
      });
      if (taken) return true;
    } catch (error) {
      this.failed(slot, error);
      return true;
    }
    this.pipeline.withdraw();
    gate.leave();
    return false;
  }

  private failed(slot: Slot, error: unknown): void {
    const { server, keyspace } = this.session;
    slot.reply = Buffer.from(`-${errorText(error, server.report).replace(/[\r\n]/g, ' ')}\r\n`);
    this.answered(keyspace.gate);
  }

  private answered(gate: { leave(): void }): void {
    gate.leave();
    this.session.answered();
  }
}

const NULL = Buffer.from('_\r\n');
const NULL_BULK = Buffer.from('$-1\r\n');
