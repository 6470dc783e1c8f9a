import type { RingletError } from '../../base/errors.js';
import { LIMITS } from '../../base/limits.js';
import { unpackBytes } from '../../base/memory.js';
import type { KeyPart, PutWaiter, QuickRequests } from '../../client/quick-requests.js';
import type { Clock } from '../../versions/dvvs.js';
import { errorText } from './errors.js';
import type { Keyspace } from './keyspace.js';
import type { RequestParser } from './parser.js';
import type { Pipeline } from './pipeline.js';
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
export class QuickCommands implements PutWaiter {
  private readonly session: Session;
  private readonly pipeline: Pipeline;

  constructor(session: Session, pipeline: Pipeline) {
    this.session = session;
    this.pipeline = pipeline;
  }

  /** Whether the request was taken. */
  take({ argc, source, starts, ends }: RequestParser): boolean {
    const at = starts[0]!;
    if (argc < 2 || argc > 3 || ends[0]! - at !== 3) return false;
    const { pipeline } = this;
    if (pipeline.size >= LIMITS.respPipelined || pipeline.heldBytes > LIMITS.respClogBytes) return false;
    const name = ((source[at]! | 32) << 16) | ((source[at + 1]! | 32) << 8) | (source[at + 2]! | 32);
    const start = starts[1]!;
    const end = ends[1]!;
    if ((argc === 2 ? name !== GET : name !== SET) || end === start || end - start > LIMITS.keyBytes)
      return false;
    const { keyspace } = this.session;
    const { quick } = keyspace;
    if (quick === undefined) return false;
    return argc === 2
      ? this.get(keyspace, quick, source, start, end)
      : this.set(keyspace, quick, source, start, end, starts[2]!, ends[2]!);
  }

  private get(keyspace: Keyspace, quick: QuickRequests, source: Buffer, start: number, end: number): boolean {
    const { pipeline } = this;
    const hash = quick.locate(source, start, end);
    const first = pipeline.size === 0;
    if (!first && pipeline.concerns(hash)) return false;
    try {
      if (quick.peek(first ? this.write : this.keep)) {
        if (!first) pipeline.add(hash, this.kept);
        return true;
      }
    } catch {
      // The store is closed: the command's handler says so in its reply.
      return false;
    }
    return this.ask(keyspace, source.subarray(start, end), hash);
  }

  /** Into the replies at once: nothing is before it. */
  private readonly write = (words: Int32Array, word: number, bytes: number): void => {
    const { reply } = this.session;
    reply.bulkHead(bytes);
    unpackBytes(words, word, reply.buffer, reply.length, bytes);
    reply.bulkEnd(bytes);
  };

  private kept: Buffer = OK;
  private readonly keep = (words: Int32Array, word: number, bytes: number): void => {
    const value = bulkOf(bytes);
    unpackBytes(words, word, value, value.length - bytes - 2, bytes);
    this.kept = value;
  };

  /** A get that is no matter of a look: beside others all the same. */
  private ask(keyspace: Keyspace, key: Buffer, hash: number): boolean {
    const { reply } = this.session;
    if (!keyspace.gate.tryEnter()) return false;
    const place = this.pipeline.add(hash);
    void keyspace.ask(key).then(
      (value) => {
        let bulk: Buffer = reply.protocol === 3 ? NULL : NULL_BULK;
        if (value !== undefined) {
          bulk = bulkOf(value.length);
          bulk.set(value, bulk.length - value.length - 2);
        }
        this.answered(place, bulk);
      },
      (error: unknown) => this.answered(place, this.errorReply(error)),
    );
    return true;
  }

  private set(
    keyspace: Keyspace,
    quick: QuickRequests,
    source: Buffer,
    start: number,
    end: number,
    valueStart: number,
    valueEnd: number,
  ): boolean {
    const hash = quick.locate(source, start, end);
    if (this.pipeline.concerns(hash) || !keyspace.gate.tryEnter()) return false;
    const place = this.pipeline.add(hash);
    try {
      if (quick.put(source, start, end, valueStart, valueEnd, this, place)) return true;
    } catch (error) {
      this.answered(place, this.errorReply(error));
      return true;
    }
    this.pipeline.withdraw();
    keyspace.gate.leave();
    return false;
  }

  /** Place of the last SET that was acknowledged. */
  private last = -1;

  putDone(place: number, failure: RingletError | undefined, key: KeyPart, vector: Clock<never>): void {
    if (failure === undefined && place > this.last) {
      this.last = place;
      this.session.writes.notePlain(this.session.keyspace.opened!, key, vector);
    }
    this.answered(place, failure === undefined ? OK : this.errorReply(failure));
  }

  private errorReply(error: unknown): Buffer {
    return Buffer.from(`-${errorText(error, this.session.server.report).replace(/[\r\n]/g, ' ')}\r\n`);
  }

  private answered(place: number, reply: Uint8Array): void {
    this.pipeline.answer(place, reply);
    this.session.keyspace.gate.leave();
    this.session.answered();
  }
}

const NULL = Buffer.from('_\r\n');
const NULL_BULK = Buffer.from('$-1\r\n');

/** A bulk of so many bytes without its bytes, which end 2 before its end. */
function bulkOf(bytes: number): Buffer {
  const head = `$${bytes}\r\n`;
  const bulk = Buffer.allocUnsafe(head.length + bytes + 2);
  bulk.write(head, 'latin1');
  bulk.write('\r\n', head.length + bytes, 'latin1');
  return bulk;
}
