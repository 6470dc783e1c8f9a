import { LIMITS } from '../../base/limits.js';
import { ReplyError } from './errors.js';

/**
 * What the connections of one thread hold of large requests, transactions and replies, all together: each is
 * bounded, but a thousand of them would be more than there is memory.
 */
export class DoorMemory {
  private held = 0;
  private readonly most: number;

  constructor(most: number = LIMITS.respDoorBytes) {
    this.most = most;
  }

  /** Somebody holds so much instead of what he held before; false if that is too much. */
  change(before: number, now: number): boolean {
    this.held += now - before;
    return now <= before || this.held <= this.most;
  }

  get text(): string {
    return `large requests and replies of all clients have ${this.most} bytes together at most`;
  }

  refusal(): ReplyError {
    return new ReplyError(`TRYAGAIN ${this.text}`);
  }

  /** Of a reply that is collected. */
  begin(): Charge {
    return new Charge(this);
  }
}

export class Charge {
  private readonly memory: DoorMemory;
  private bytes = 0;
  private ended = false;

  constructor(memory: DoorMemory) {
    this.memory = memory;
  }

  /** @throws ReplyError */
  add(bytes: number): void {
    // What comes when the command has failed is nobody's.
    if (this.ended) return;
    const fits = this.memory.change(this.bytes, this.bytes + bytes);
    this.bytes += bytes;
    if (!fits) throw this.memory.refusal();
  }

  end(): void {
    this.ended = true;
    this.memory.change(this.bytes, 0);
  }
}

/** What is too small to be counted costs nothing. */
export function largeBytes(bytes: number): number {
  return bytes > LIMITS.respLargeBytes ? bytes : 0;
}
