import { LIMITS } from '../../base/limits.js';
import type { Command } from './command.js';
import { ReplyError } from './errors.js';

export interface Queued {
  readonly command: Command;
  readonly args: readonly Buffer[];
}

/** What a client has queued since MULTI. */
export class Transaction {
  private queued: Queued[] | undefined;
  private bytes = 0;
  private spoilt = false;

  get isOpen(): boolean {
    return this.queued !== undefined;
  }
  get heldBytes(): number {
    return this.queued === undefined ? 0 : this.bytes;
  }

  /** @throws ReplyError */
  open(): void {
    if (this.isOpen) throw new ReplyError('ERR MULTI calls can not be nested');
    this.queued = [];
    this.bytes = 0;
    this.spoilt = false;
  }

  /** @throws ReplyError when it becomes too large; then it cannot be executed */
  add(command: Command, args: readonly Buffer[]): void {
    this.bytes += args.reduce((sum, argument) => sum + argument.length + 64, 0);
    if (this.bytes > LIMITS.respQueuedBytes) {
      this.spoil();
      throw new ReplyError(`ERR a transaction has at most ${LIMITS.respQueuedBytes} bytes`);
    }
    // Copies: views would keep the chunks that they came in.
    this.queued!.push({ command, args: args.map((argument) => Buffer.from(argument)) });
  }

  /** A command was refused: nothing of the transaction will be executed. */
  spoil(): void {
    this.spoilt = true;
    if (this.queued !== undefined) this.queued = [];
  }

  /** Ends it. @throws ReplyError */
  take(name: string): readonly Queued[] {
    const { queued, spoilt } = this;
    if (queued === undefined) throw new ReplyError(`ERR ${name} without MULTI`);
    this.discard();
    if (spoilt && name === 'EXEC') {
      throw new ReplyError('EXECABORT Transaction discarded because of previous errors.');
    }
    return queued;
  }

  discard(): void {
    this.queued = undefined;
  }
}
