import { connect, type Socket } from 'node:net';

/** A reply as it was on the wire: errors stand for themselves, null is null in both protocols. */
export type Reply = string | number | bigint | null | boolean | ErrorReply | Reply[] | Map<string, Reply>;

export class ErrorReply {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** A client that understands RESP2 and RESP3 and sends exactly what it is told to. */
export class Client {
  readonly socket: Socket;
  received = Buffer.alloc(0);
  readonly closed: Promise<void>;
  private readonly waiting: (() => void)[] = [];
  private isClosed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.wake();
    });
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.isClosed = true;
        this.wake();
        resolve();
      });
    });
  }

  static async connect(port: number): Promise<Client> {
    const socket = connect({ port, host: '127.0.0.1' });
    const client = new Client(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return client;
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  send(text: string | Buffer): void {
    this.socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
  }

  /** One request; errors are returned, not thrown. */
  async call(...words: (string | number | Buffer)[]): Promise<Reply> {
    this.send(request(...words));
    return await this.next();
  }

  /** A request whose reply is expected to be an error: its text. */
  async error(...words: (string | number | Buffer)[]): Promise<string> {
    const reply = await this.call(...words);
    return reply instanceof ErrorReply ? reply.text : `no error but ${JSON.stringify(reply)}`;
  }

  /** A request whose reply is a string. */
  async text(...words: (string | number | Buffer)[]): Promise<string> {
    const reply = await this.call(...words);
    return typeof reply === 'string' ? reply : `no string but ${JSON.stringify(reply)}`;
  }

  async next(): Promise<Reply> {
    for (;;) {
      const parsed = parse(this.received, 0);
      if (parsed !== undefined) {
        this.received = this.received.subarray(parsed.end);
        return parsed.reply;
      }
      if (this.isClosed) throw new Error(`closed; unread: ${this.received.toString('latin1').slice(0, 100)}`);
      await new Promise<void>((resolve) => {
        this.waiting.push(resolve);
      });
    }
  }

  close(): void {
    this.socket.destroy();
  }
}

export function request(...words: (string | number | Buffer)[]): Buffer {
  const parts = words.flatMap((word) => {
    const bytes = Buffer.isBuffer(word) ? word : Buffer.from(String(word), 'latin1');
    return [Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')];
  });
  return Buffer.concat([Buffer.from(`*${words.length}\r\n`), ...parts]);
}

function parse(bytes: Buffer, at: number): { reply: Reply; end: number } | undefined {
  const lineEnd = bytes.indexOf('\r\n', at);
  if (lineEnd < 0) return undefined;
  const text = bytes.toString('latin1', at + 1, lineEnd);
  const end = lineEnd + 2;
  const type = String.fromCharCode(bytes[at]!);
  switch (type) {
    case '+':
      return { reply: text, end };
    case '-':
      return { reply: new ErrorReply(text), end };
    case ':':
      return { reply: Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text), end };
    case '(':
      return { reply: BigInt(text), end };
    case '_':
      return { reply: null, end };
    case '#':
      return { reply: text === 't', end };
    case ',':
      return { reply: Number(text), end };
    case '$':
    case '=': {
      const length = Number(text);
      if (length < 0) return { reply: null, end };
      if (bytes.length < end + length + 2) return undefined;
      return { reply: bytes.toString('latin1', end, end + length), end: end + length + 2 };
    }
    case '*':
    case '~':
      return Number(text) < 0 ? { reply: null, end } : elements(bytes, end, Number(text));
    case '%': {
      const flat = elements(bytes, end, Number(text) * 2);
      if (flat === undefined) return undefined;
      const map = new Map<string, Reply>();
      for (let i = 0; i < flat.reply.length; i += 2) map.set(flat.reply[i] as string, flat.reply[i + 1]!);
      return { reply: map, end: flat.end };
    }
    default:
      throw new Error(`no reply begins with ${type}`);
  }
}

function elements(bytes: Buffer, at: number, count: number): { reply: Reply[]; end: number } | undefined {
  const reply: Reply[] = [];
  let end = at;
  for (let i = 0; i < count; i++) {
    const element = parse(bytes, end);
    if (element === undefined) return undefined;
    reply.push(element.reply);
    end = element.end;
  }
  return { reply, end };
}
