import type { Socket } from 'node:net';
import { LIMITS } from '../../base/limits.js';
import type { Call, Command } from './command.js';
import { largeBytes } from './door-memory.js';
import { errorText, ProtocolError, unknownCommand, wrongArity } from './errors.js';
import type { Keyspace } from './keyspace.js';
import { LastWrites } from './last-writes.js';
import { RequestParser } from './parser.js';
import { Pipeline } from './pipeline.js';
import { QuickCommands } from './quick.js';
import { ReplyWriter } from './reply-writer.js';
import type { RespServer } from './server.js';
import { Transaction } from './transaction.js';

/** What a web page can make a browser send begins with these: Redis ends such a connection at once. */
const NOT_REDIS = new Set(['post', 'host:']);

/**
 * One connection: requests are executed in the order of their arrival, replies leave in the same
 * order and once per turn. It stops reading while a client does not read its replies.
 */
export class Session {
  readonly id: number;
  readonly server: RespServer;
  readonly reply = new ReplyWriter();
  readonly transaction = new Transaction();
  readonly writes = new LastWrites();
  name = '';
  database = 0;
  private readonly socket: Socket;
  private readonly parser: RequestParser;
  private authenticated: boolean;
  private readonly pipeline = new Pipeline();
  private readonly quick = new QuickCommands(this, this.pipeline);
  /** A command is under way; the next one waits for it. */
  private busy = false;
  /** A request was parsed and waits for those that are under way. */
  private held = false;
  /** What could not be read; told after the replies to what was before it. */
  private broken: ProtocolError | undefined;
  private turning = false;
  /** Where the requests of the pipeline that came together end, in places of it. */
  private readonly ends: number[] = [];
  /** Replies wait for others to leave with them. */
  private kept = false;
  /** The client does not read; nothing is executed until it does. */
  private clogged = false;
  private paused = false;
  private inputEnded = false;
  private closing = false;
  private slowTimer: NodeJS.Timeout | undefined;
  private loginTimer: NodeJS.Timeout | undefined;

  constructor(server: RespServer, socket: Socket, id: number) {
    this.server = server;
    this.socket = socket;
    this.id = id;
    this.parser = new RequestParser(server.limits);
    this.authenticated = !server.needsPassword;
    this.setLimits();
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    socket.on('drain', () => this.drained());
    socket.on('error', () => this.destroy());
    socket.on('end', () => this.stop());
    socket.on('close', () => this.closed());
  }

  get isAuthenticated(): boolean {
    return this.authenticated;
  }
  get isClosed(): boolean {
    return this.closing;
  }
  get isBusy(): boolean {
    return this.busy;
  }
  get remote(): string {
    return `${this.socket.remoteAddress ?? ''}:${this.socket.remotePort ?? 0}`;
  }
  get keyspace(): Keyspace {
    return this.server.keyspace(this.database);
  }

  private setLimits(): void {
    this.parser.authenticated = this.authenticated;
    this.parser.limits = this.authenticated ? this.server.limits : this.server.limitsBefore;
    if (this.authenticated) {
      clearTimeout(this.loginTimer);
      this.loginTimer = undefined;
    } else {
      // Whatever it sends meanwhile.
      this.loginTimer ??= setTimeout(() => this.destroy(), this.server.loginMs).unref();
    }
  }

  authenticate(): void {
    this.authenticated = true;
    this.setLimits();
  }

  /** As a new connection, but for its number. */
  reset(): void {
    this.transaction.discard();
    this.database = 0;
    this.name = '';
    this.reply.protocol = 2;
    this.authenticated = !this.server.needsPassword;
    this.setLimits();
  }

  private receive(chunk: Buffer): void {
    if (this.closing || this.broken !== undefined) return;
    this.parser.feed(chunk);
    this.run();
    if (this.parser.heldBytes > LIMITS.respLargeBytes || this.charged > 0) this.chargeRequest();
    const { size, end } = this.pipeline;
    if (size > 0 && this.ends.at(-1) !== end) this.ends.push(end);
    if (
      !this.paused &&
      (this.busy || this.clogged || this.held) &&
      this.parser.heldBytes > LIMITS.respHeldBytes
    ) {
      this.paused = true;
      this.socket.pause();
    }
  }

  /** Counts what this connection holds with what the others do; false if that is too much. */
  private charge(): boolean {
    const { parser, transaction, socket } = this;
    const now = socket.destroyed
      ? 0
      : largeBytes(parser.heldBytes) + largeBytes(transaction.heldBytes) + largeBytes(socket.writableLength);
    const fits = this.server.memory.change(this.charged, now);
    this.charged = now;
    return fits;
  }
  private charged = 0;

  private chargeRequest(): void {
    if (this.charge()) return;
    this.broken = new ProtocolError(this.server.memory.text);
    this.parser.drop();
    this.charge();
    this.run();
  }

  /** Executes what has arrived, as long as nothing has to be waited for, and sends the replies. */
  private run(): void {
    this.writeReady();
    while (!this.busy && !this.clogged && !this.closing && (this.held || this.parse())) {
      this.held = !this.execute();
      if (this.held) break;
      if (this.reply.length > LIMITS.respTurnBytes) this.flush();
    }
    if (this.reply.length > 0 && !this.keepsBack()) this.flush();
    if (this.busy || this.clogged || this.held) return;
    if (this.broken !== undefined || this.inputEnded) {
      if (this.pipeline.size > 0) return;
      if (this.broken !== undefined) this.reply.error(this.broken.message);
      this.end();
    } else if (this.paused) {
      this.paused = false;
      this.socket.resume();
    }
  }

  /** Replies of the pipeline, which may be long and many: a turn's worth at a time, as long as the client reads. */
  private writeReady(): void {
    while (!this.clogged && this.pipeline.writeTo(this.reply) && !this.socket.destroyed) this.flush();
  }

  private parse(): boolean {
    if (this.broken !== undefined) return false;
    try {
      return this.parser.next();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.broken = error;
      return false;
    }
  }

  /** A reply of the pipeline is there; it leaves with the others of this turn. */
  answered(): void {
    if (this.turning) return;
    this.turning = true;
    this.server.later(this);
  }

  turn(): void {
    this.turning = false;
    if (!this.closing) this.run();
  }

  /**
   * Whether replies wait for those to other requests that came with them: virtual nodes answer at different
   * times, and a write to a socket costs as much as ten requests. A client that sends requests together
   * waits for all of them anyway; a late one keeps the others for a millisecond at most.
   */
  private keepsBack(): boolean {
    const { pipeline, ends } = this;
    let whole = pipeline.size === 0;
    if (whole) ends.length = 0;
    for (; ends.length > 0 && ends[0]! <= pipeline.begin; ends.shift()) whole = true;
    if (whole || this.reply.length >= LIMITS.respTurnBytes) return false;
    if (!this.kept) {
      this.kept = true;
      this.server.keepBack(this);
    }
    return true;
  }

  /** They have waited long enough. */
  release(): void {
    this.kept = false;
    if (!this.closing) this.flush();
  }

  /** Whether the request was taken; if not, it waits until nothing is under way. */
  private execute(): boolean {
    if (this.authenticated && !this.transaction.isOpen && this.quick.take(this.parser)) {
      this.server.counts.processed();
      return true;
    }
    if (this.pipeline.size > 0) return false;
    this.executeAlone();
    return true;
  }

  private executeAlone(): void {
    const { parser, transaction } = this;
    const args: Buffer[] = [];
    for (let i = 0; i < parser.argc; i++) args.push(parser.argument(i));
    const name = args[0]!.toString('latin1').toLowerCase();
    if (NOT_REDIS.has(name)) {
      this.destroy();
      return;
    }
    this.server.counts.processed();
    const command = this.server.commands.get(name);
    const refusal = this.refusal(command, args);
    if (command === undefined || refusal !== undefined) {
      transaction.spoil();
      this.reply.error(refusal ?? '');
      return;
    }
    const under =
      transaction.isOpen && command.immediate !== true ? this.queue(command, args) : this.call(command, args);
    if (under === undefined) return;
    this.busy = true;
    void under.then(() => {
      this.busy = false;
      this.run();
    });
  }

  private refusal(command: Command | undefined, args: readonly Buffer[]): string | undefined {
    if (command === undefined) return unknownCommand(args);
    const { arity, name, flags } = command;
    if (arity > 0 ? args.length !== arity : args.length < -arity) return wrongArity(name);
    const refused = command.refusal?.(args);
    if (refused !== undefined) return refused;
    if (!this.authenticated && !flags.includes('no_auth')) return 'NOAUTH Authentication required.';
    return undefined;
  }

  private queue(command: Command, args: readonly Buffer[]): undefined {
    try {
      this.transaction.add(command, args);
      if (this.transaction.heldBytes > LIMITS.respLargeBytes && !this.charge()) {
        this.transaction.spoil();
        throw this.server.memory.refusal();
      }
      this.reply.simple('QUEUED');
    } catch (error) {
      this.fail(error, this.reply.position);
    }
  }

  /** Runs a handler; whatever it throws becomes the reply. Undefined if it is done already. */
  call(command: Command, args: readonly Buffer[], mayBlock = true): Promise<void> | undefined {
    const { reply, server, keyspace } = this;
    const call: Call = { session: this, server, command, args, reply, keyspace, mayBlock };
    if (command.flags.includes('write')) this.writes.begin();
    const { position } = reply;
    try {
      return command.handler(call)?.then(undefined, (error: unknown) => this.fail(error, position));
    } catch (error) {
      this.fail(error, position);
      return undefined;
    }
  }

  /** The error in place of what was written of the reply. */
  private fail(error: unknown, position: number): void {
    if (this.reply.rollBack(position)) this.reply.error(errorText(error, this.server.report));
    else this.destroy();
  }

  /** Sends what was written, in one go. */
  private flush(): void {
    const { reply, socket } = this;
    if (reply.length === 0) return;
    if (socket.destroyed) {
      reply.reset();
      return;
    }
    socket.write(reply.take());
    if (socket.writableLength === 0) {
      // The bytes are with the system, and the buffer is ours again.
      reply.reset();
      return;
    }
    reply.renew();
    if (socket.writableLength <= LIMITS.respClogBytes) return;
    if (!this.charge()) this.destroy();
    if (this.clogged) return;
    this.clogged = true;
    this.slowTimer ??= setTimeout(() => this.destroy(), this.server.slowReaderMs).unref();
  }

  private drained(): void {
    if (!this.clogged) return;
    this.clogged = false;
    clearTimeout(this.slowTimer);
    this.slowTimer = undefined;
    this.charge();
    this.goOn();
    this.run();
  }

  /** Within a command that has many replies: they leave, and a client that does not read them is waited for. */
  async pause(): Promise<void> {
    if (this.reply.length <= LIMITS.respTurnBytes) return;
    this.flush();
    if (this.clogged && !this.closing) await new Promise<void>((resolve) => (this.goOn = resolve));
  }
  private goOn: () => void = () => undefined;

  /** Closes when everything written so far has been sent; a client that does not take it is not waited for. */
  end(): void {
    if (this.closing) return;
    this.closing = true;
    this.flush();
    this.socket.end();
    this.slowTimer ??= setTimeout(() => this.destroy(), this.server.slowReaderMs).unref();
  }

  /** Ends once everything that has arrived is answered. */
  stop(): void {
    this.inputEnded = true;
    this.run();
  }

  destroy(): void {
    this.closing = true;
    this.socket.destroy();
  }

  private closed(): void {
    this.closing = true;
    clearTimeout(this.slowTimer);
    clearTimeout(this.loginTimer);
    this.charge();
    this.goOn();
    this.server.forget(this);
  }
}
