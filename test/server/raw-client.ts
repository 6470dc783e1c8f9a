import { request as httpRequest, type Agent, type ClientRequest, type IncomingHttpHeaders } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
  json(): unknown;
}

export interface Sent {
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: Uint8Array | string;
  readonly agent?: Agent;
  /** No Content-Length: the body goes in these chunks. */
  readonly chunks?: readonly (Uint8Array | string)[];
}

/** Sends the path as it is written: fetch would normalise it. */
export function send(address: string, path: string, sent: Sent = {}): Promise<Answer> {
  return begin(address, path, sent).answer;
}

export function begin(
  address: string,
  path: string,
  { method = 'GET', headers, body, chunks, agent }: Sent = {},
): { request: ClientRequest; answer: Promise<Answer> } {
  const { hostname, port } = new URL(address);
  const request = httpRequest({ host: hostname, port, path, method, headers, agent: agent ?? false });
  const answer = new Promise<Answer>((resolve, reject) => {
    request.on('error', reject);
    request.on('response', (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const whole = Buffer.concat(parts);
        const text = whole.toString();
        const { statusCode = 0, headers: received } = response;
        resolve({
          status: statusCode,
          headers: received,
          body: whole,
          text,
          json: () => JSON.parse(text) as unknown,
        });
      });
    });
  });
  for (const chunk of chunks ?? []) request.write(chunk);
  request.end(body);
  return { request, answer };
}
