import { describe, expect, test } from 'vitest';
import { RingletError } from '../../src/base/errors.js';
import { call, context, expectProblem, fake, KEY, useFakeStore, VALUE_BYTES } from './harness.js';
import type { Answer } from './raw-client.js';

useFakeStore();

describe('one key', () => {
  test('PUT answers 204 with a context, GET returns bytes, content type, ETag and context', async () => {
    const bytes = Uint8Array.from([0, 255, 13, 10]);
    const put = await call(KEY, {
      method: 'PUT',
      body: bytes,
      headers: { 'Content-Type': 'text/html; charset=latin1' },
    });
    expect(put.status).toBe(204);
    expect(put.body.length).toBe(0);
    const get = await call(KEY);
    expect(get.status).toBe(200);
    expect([...get.body]).toEqual([...bytes]);
    expect(get.headers['content-type']).toBe('text/html; charset=latin1');
    expect(context(get)).toBe(context(put));
    expect(get.headers.etag).toBe(`"${context(get)}"`);
    expect(get.headers['x-content-type-options']).toBe('nosniff');
    expect(get.headers['content-security-policy']).toContain('sandbox');
    expect(get.headers['ringlet-degraded']).toBeUndefined();
  });

  test('ttl on a PUT is when the value expires, PATCH changes it, and reads say so', async () => {
    const start = 1_700_000_000_000;
    expect((await call(`${KEY}?ttl=5000`, { method: 'PUT', body: 'v' })).status).toBe(204);
    const get = await call(KEY);
    expect(get.headers['ringlet-expires']).toBe(new Date(start + 5_000).toISOString());
    expect((await call(`${KEY}?ttl=7000&w=2`, { method: 'PATCH' })).status).toBe(204);
    expect((await call(KEY)).headers['ringlet-expires']).toBe(new Date(start + 7_000).toISOString());
    expect(fake.store.calls).toContainEqual(expect.objectContaining({ w: 2 }));
    expect((await call(`${KEY}?ttl=0`, { method: 'PATCH' })).status).toBe(204);
    expect((await call(KEY)).headers['ringlet-expires']).toBeUndefined();
    expectProblem(await call('/buckets/b/keys/none?ttl=1', { method: 'PATCH' }), 404, 'NOT_FOUND');
    await fake.store.bucket('b').setProperties({ ttlMs: 9_000 });
    expect((await call(KEY, { method: 'PATCH' })).status).toBe(204);
    expect((await call(KEY)).headers['ringlet-expires']).toBe(new Date(start + 9_000).toISOString());
    for (const ttl of ['-1', '1.5', 'x', '999999999999999'])
      expectProblem(await call(`${KEY}?ttl=${ttl}`, { method: 'PUT', body: 'v' }), 400, 'BAD_REQUEST');
  });

  test('HEAD has the headers of GET and no body', async () => {
    await call(KEY, { method: 'PUT', body: 'value' });
    const head = await call(KEY, { method: 'HEAD' });
    expect(head.status).toBe(200);
    expect(head.headers['content-length']).toBe('5');
    expect(head.body.length).toBe(0);
    expect((await call('/buckets/b/keys/none', { method: 'HEAD' })).status).toBe(404);
  });

  test('a value without a content type is application/octet-stream; an empty body is a value', async () => {
    expect((await call(KEY, { method: 'PUT' })).status).toBe(204);
    const get = await call(KEY);
    expect([get.status, get.body.length, get.headers['content-type']]).toEqual([
      200,
      0,
      'application/octet-stream',
    ]);
  });

  test('JSON and form bodies are stored as they come', async () => {
    for (const type of [
      'application/json',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
    ]) {
      await call(`${KEY}-${type.length}`, {
        method: 'PUT',
        body: '{ not json',
        headers: { 'Content-Type': type },
      });
      const get = await call(`${KEY}-${type.length}`);
      expect([get.text, get.headers['content-type']]).toEqual(['{ not json', type]);
    }
  });

  test('a chunked body without a length is stored, and one above the limit is refused', async () => {
    expect((await call(KEY, { method: 'PUT', chunks: ['a', 'b'], body: 'c' })).status).toBe(204);
    expect((await call(KEY)).text).toBe('abc');
    const chunks = [new Uint8Array(600), new Uint8Array(401)];
    expectProblem(await call(KEY, { method: 'PUT', chunks }), 413, 'VALUE_TOO_LARGE');
    expect((await call(KEY)).text).toBe('abc');
  });

  test('a body of exactly the limit is stored, one byte more is 413', async () => {
    expect((await call(KEY, { method: 'PUT', body: new Uint8Array(VALUE_BYTES) })).status).toBe(204);
    expectProblem(
      await call(KEY, { method: 'PUT', body: new Uint8Array(VALUE_BYTES + 1) }),
      413,
      'VALUE_TOO_LARGE',
    );
  });

  test('DELETE answers 204 with a context; the tombstone is 404 with it; a key never written is 404 without', async () => {
    const put = await call(KEY, { method: 'PUT', body: 'x' });
    const gone = await call(KEY, { method: 'DELETE', headers: { 'Ringlet-Context': context(put) } });
    expect(gone.status).toBe(204);
    const get = await call(KEY);
    expect(expectProblem(get, 404, 'NOT_FOUND')['details']).toEqual({ tombstone: true });
    expect(context(get)).toBe(context(gone));
    const never = await call('/buckets/b/keys/never');
    expect(expectProblem(never, 404, 'NOT_FOUND')['details']).toEqual({ tombstone: false });
    expect(never.headers['ringlet-context']).toBeUndefined();
  });

  test('POST creates under a new key: 201 and a Location that answers', async () => {
    const first = await call('/buckets/b/keys', { method: 'POST', body: 'v' });
    const second = await call('/buckets/b/keys', { method: 'POST', body: 'v' });
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(first.headers.location).not.toBe(second.headers.location);
    expect((await call(first.headers.location!)).text).toBe('v');
    expect(context(first)).toBeTruthy();
  });

  test('returnbody=true answers with the value, or with all siblings', async () => {
    const one = await call(`${KEY}?returnbody=true`, { method: 'PUT', body: 'a' });
    expect([one.status, one.text]).toEqual([200, 'a']);
    const two = await call(`${KEY}?returnbody=true`, { method: 'PUT', body: 'b' });
    expect(two.status).toBe(300);
  });

  test('a failed read behind a successful put says that the write may have been applied', async () => {
    fake.store.readFailure = new RingletError('QUORUM_NOT_MET', '1 of 2', { need: 2, got: 1 });
    const answer = await call(`${KEY}?returnbody=true`, { method: 'PUT', body: 'a' });
    expect(expectProblem(answer, 503, 'QUORUM_NOT_MET')['maybeApplied']).toBe(true);
  });

  test('degraded answers and timelines are in headers', async () => {
    fake.store.degraded = true;
    const answer = await call(`${KEY}?timeline=true`);
    expect(answer.headers['ringlet-degraded']).toBe('true');
    expect(answer.headers['server-timing']).toBe('answered;dur=1.500;desc="n1.0 _hit_"');
  });

  test('r, w, durability, strict and timeout reach the store', async () => {
    await call(`${KEY}?w=all&durability=durable&timeout=250`, { method: 'PUT', body: '' });
    expect(fake.store.calls.at(-1)).toMatchObject({ w: 'all', durability: 'durable', timeoutMs: 250 });
    expect(fake.store.calls.at(-1)).not.toHaveProperty('strict');
    for (const strict of [true, false]) {
      await call(`${KEY}?strict=${strict}`, { method: 'PUT', body: '' });
      expect(fake.store.calls.at(-1)).toMatchObject({ strict });
      await call(`${KEY}?strict=${strict}`);
      expect(fake.store.calls.at(-1)).toMatchObject({ strict });
      await call(`${KEY}?strict=${strict}`, { method: 'DELETE' });
      expect(fake.store.calls.at(-1)).toMatchObject({ strict });
    }
    await call(`${KEY}?r=1`);
    expect(fake.store.calls.at(-1)).toMatchObject({ r: 1 });
  });
});

describe('a part of a value', () => {
  test.each([
    ['bytes=0-1', 206, 'ab', 'bytes 0-1/6'],
    ['bytes=4-', 206, 'ef', 'bytes 4-5/6'],
    ['bytes=4-99', 206, 'ef', 'bytes 4-5/6'],
    ['bytes=-2', 206, 'ef', 'bytes 4-5/6'],
    ['bytes=-99', 206, 'abcdef', 'bytes 0-5/6'],
    ['bytes=0-0,2-2', 200, 'abcdef', undefined],
    ['bytes=3-2', 200, 'abcdef', undefined],
    ['bytes=-', 200, 'abcdef', undefined],
    ['lines=0-1', 200, 'abcdef', undefined],
  ])('Range: %s', async (Range, status, text, contentRange) => {
    await call(KEY, { method: 'PUT', body: 'abcdef', headers: { 'Content-Type': 'text/a' } });
    const answer = await call(KEY, { headers: { Range } });
    expect([answer.status, answer.text, answer.headers['content-range']]).toEqual([
      status,
      text,
      contentRange,
    ]);
    expect(answer.headers['content-type']).toBe('text/a');
    const head = await call(KEY, { method: 'HEAD', headers: { Range } });
    expect([head.status, head.headers['content-length'], head.headers['accept-ranges']]).toEqual([
      200,
      '6',
      'bytes',
    ]);
  });

  test.each(['bytes=6-', 'bytes=-0', 'bytes=99-100'])('Range: %s of six bytes is 416', async (Range) => {
    await call(KEY, { method: 'PUT', body: 'abcdef' });
    const answer = await call(KEY, { headers: { Range } });
    expectProblem(answer, 416, 'RANGE_NOT_SATISFIABLE');
    expect(answer.headers['content-range']).toBe('bytes */6');
  });

  test('is not put in place of the whole: PUT with a Content-Range is refused', async () => {
    await call(KEY, { method: 'PUT', body: 'abcdef' });
    const headers = { 'Content-Range': 'bytes 4-5/6' };
    expectProblem(await call(KEY, { method: 'PUT', body: 'xy', headers }), 400, 'BAD_REQUEST');
    expect((await call(KEY)).text).toBe('abcdef');
  });

  test('compressed bytes are not put as if they were plain: a Content-Encoding is refused', async () => {
    for (const [method, path] of [
      ['PUT', KEY],
      ['POST', '/buckets/b/keys'],
    ] as const) {
      for (const coding of ['gzip', 'br, gzip']) {
        const headers = { 'Content-Encoding': coding };
        expectProblem(await call(path, { method, body: 'xy', headers }), 400, 'BAD_REQUEST');
      }
    }
    const headers = { 'Content-Encoding': 'Identity' };
    expect((await call(KEY, { method: 'PUT', body: 'xy', headers })).status).toBe(204);
    // A coding of the way is none of the value either, but for the one that Node takes off.
    const gzip = { method: 'PUT', headers: { 'Transfer-Encoding': 'gzip, chunked' }, chunks: ['xy'] };
    expectProblem(await call(`${KEY}2`, gzip), 400, 'BAD_REQUEST');
    expectProblem(await call(`${KEY}2`), 404, 'NOT_FOUND');
    const chunked = { method: 'PUT', headers: { 'Transfer-Encoding': 'Chunked' }, chunks: ['x', 'y'] };
    expect((await call(`${KEY}2`, chunked)).status).toBe(204);
    expect((await call(`${KEY}2`)).text).toBe('xy');
  });

  test('a Content-Type that is no media type is refused by its name, not by a status without a word', async () => {
    for (const given of ['text', 'bad type', '']) {
      const headers = { 'Content-Type': given };
      const answer = await call(KEY, { method: 'PUT', body: 'xy', headers });
      const { details } = expectProblem(answer, 400, 'BAD_REQUEST');
      expect(details).toMatchObject({ header: 'Content-Type', given });
    }
  });

  test('of another version than If-Range names, the whole value', async () => {
    await call(KEY, { method: 'PUT', body: 'abcdef' });
    const etag = (await call(KEY)).headers.etag!;
    const part = (tag: string): Promise<Answer> =>
      call(KEY, { headers: { Range: 'bytes=0-0', 'If-Range': tag } });
    expect((await part(etag)).text).toBe('a');
    expect((await part('"other"')).text).toBe('abcdef');
  });
});

describe('keys are arbitrary bytes', () => {
  test.each([
    ['%2F', [0x2f]],
    ['a/b//c', [...Buffer.from('a/b//c')]],
    ['%00', [0]],
    ['%FF%fe', [0xff, 0xfe]],
    ['Z%C3%BCrich,47.4', [...Buffer.from('Zürich,47.4')]],
    ['+', [0x2b]],
    ['..%2f..%2fetc', [...Buffer.from('../../etc')]],
    ['__proto__', [...Buffer.from('__proto__')]],
    ['.', [0x2e]],
  ])('%s', async (path, bytes) => {
    expect((await call(`/buckets/b/keys/${path}`, { method: 'PUT', body: 'v' })).status).toBe(204);
    const stored = await fake.store.bucket('b').get(Uint8Array.from(bytes));
    expect(Buffer.from(stored.value!).toString()).toBe('v');
    expect((await call(`/buckets/b/keys/${path}`)).text).toBe('v');
  });

  test.each(['%', '%2', '%zz', 'a%%41'])('malformed percent-encoding %s is 400', async (path) => {
    expectProblem(await call(`/buckets/b/keys/${path}`), 400, 'BAD_REQUEST');
  });

  test('malformed percent-encoding in the bucket is 400', async () => {
    expectProblem(await call('/buckets/%zz/keys/k'), 400, 'BAD_REQUEST');
    expectProblem(await call('/buckets/%ff/keys/k'), 400, 'BAD_REQUEST');
  });

  test('an empty key, a long key, and bucket names outside the alphabet are 400', async () => {
    expectProblem(await call('/buckets/b/keys/', { method: 'PUT' }), 400, 'BAD_REQUEST');
    expectProblem(
      await call(`/buckets/b/keys/${'%00'.repeat(1_901)}`, { method: 'PUT' }),
      400,
      'KEY_TOO_LARGE',
    );
    expect((await call(`/buckets/b/keys/${'%00'.repeat(1_900)}`, { method: 'PUT' })).status).toBe(204);
    for (const name of ['a%2Fb', 'a%20b', 'x'.repeat(65), 'x'.repeat(3_000)]) {
      expectProblem(await call(`/buckets/${name}/keys/k`), 400, 'BAD_REQUEST');
    }
  });
});

describe('siblings', () => {
  test('two puts without a context are 300 with both; a put with that context resolves them', async () => {
    await call(KEY, { method: 'PUT', body: 'a', headers: { 'Content-Type': 'text/a' } });
    await call(KEY, { method: 'PUT', body: 'b', headers: { 'Content-Type': 'text/b' } });
    const both = await call(KEY);
    expect(both.status).toBe(300);
    expect(both.headers.etag).toBe(`W/"${context(both)}"`);
    expect(both.headers.vary).toBe('Accept');
    const envelope = both.json() as { context: string; siblings: Record<string, string>[] };
    expect(envelope.context).toBe(context(both));
    const values = envelope.siblings.map((s) => [
      Buffer.from(s['value']!, 'base64').toString(),
      s['contentType'],
    ]);
    expect(values).toEqual([
      ['a', 'text/a'],
      ['b', 'text/b'],
    ]);
    expect(new Set(envelope.siblings.map((s) => s['etag'])).size).toBe(2);
    expect(envelope.siblings[0]!['modifiedAt']).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);

    const headers = { 'Ringlet-Context': envelope.context };
    expect((await call(KEY, { method: 'PUT', body: 'ab', headers })).status).toBe(204);
    const resolved = await call(KEY);
    expect([resolved.status, resolved.text]).toEqual([200, 'ab']);
  });

  test('a client that has them is answered 304; If-Match takes no weak tag', async () => {
    for (const body of ['a', 'b']) await call(KEY, { method: 'PUT', body });
    const etag = (await call(KEY)).headers.etag!;
    expect((await call(KEY, { headers: { 'If-None-Match': etag } })).status).toBe(304);
    const put = await call(KEY, { method: 'PUT', body: 'c', headers: { 'If-Match': etag } });
    expectProblem(put, 400, 'BAD_REQUEST');
  });

  test('Accept: multipart/mixed gives the bytes of each, with type and tag', async () => {
    const values: [string, Buffer][] = [
      ['text/a', Buffer.from('a')],
      ['application/octet-stream', Buffer.from([0, 13, 10, 45, 45, 255])],
      ['text/empty', Buffer.alloc(0)],
    ];
    for (const [type, body] of values)
      await call(KEY, { method: 'PUT', body, headers: { 'Content-Type': type } });
    const answer = await call(KEY, { headers: { Accept: 'multipart/mixed' } });
    expect(answer.status).toBe(300);
    const parts = partsOf(answer);
    expect(parts.map(({ headers, body }) => [headers['content-type'], body])).toEqual(values);
    const envelope = (await call(KEY)).json() as { siblings: { etag: string }[] };
    expect(parts.map(({ headers }) => headers['etag'])).toEqual(envelope.siblings.map(({ etag }) => etag));
    expect(context(answer)).toBe(context(await call(KEY)));
  });

  test.each([
    ['application/json, multipart/mixed;q=0.5', 'application/json'],
    ['application/json;q=0.5, multipart/mixed', 'multipart/mixed'],
    ['multipart/*', 'multipart/mixed'],
    ['*/*', 'application/json'],
    ['multipart/mixed;q=0', 'application/json'],
    ['multipart/mixed;q=x', 'application/json'],
    ['text/html', 'application/json'],
  ])('Accept: %s gives %s', async (Accept, type) => {
    for (const body of ['a', 'b']) await call(KEY, { method: 'PUT', body });
    const answer = await call(KEY, { headers: { Accept } });
    expect(answer.headers['content-type']).toMatch(new RegExp(`^${type}`));
    await call(KEY, { method: 'PUT', body: 'c', headers: { 'Ringlet-Context': context(answer) } });
    expect((await call(KEY, { headers: { Accept } })).text).toBe('c');
  });
});

interface Part {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** By the boundary alone, as a client without lengths would. */
function partsOf(answer: Answer): Part[] {
  const boundary = /^multipart\/mixed; boundary="([0-9a-f]{32})"$/.exec(answer.headers['content-type']!)![1]!;
  const pieces = `\r\n${answer.body.toString('latin1')}`.split(`\r\n--${boundary}`);
  expect([pieces[0], pieces.at(-1)]).toEqual(['', '--\r\n']);
  return pieces.slice(1, -1).map((piece) => {
    const end = piece.indexOf('\r\n\r\n');
    const lines = piece.slice(2, end).split('\r\n');
    const headers = Object.fromEntries(
      lines.map(
        (line) =>
          line
            .toLowerCase()
            .split(': ', 1)
            .concat(line.slice(line.indexOf(': ') + 2)) as [string, string],
      ),
    );
    const body = Buffer.from(piece.slice(end + 4), 'latin1');
    expect(headers['content-length']).toBe(String(body.length));
    return { headers, body };
  });
}

describe('conditions', () => {
  test('If-None-Match: * writes only what is absent', async () => {
    const headers = { 'If-None-Match': '*' };
    expect((await call(KEY, { method: 'PUT', body: '1', headers })).status).toBe(204);
    expectProblem(await call(KEY, { method: 'PUT', body: '2', headers }), 412, 'CONDITION_FAILED');
    expect((await call(KEY)).text).toBe('1');
  });

  test('If-Match with the ETag writes only what is unchanged, for PUT and DELETE', async () => {
    await call(KEY, { method: 'PUT', body: '1' });
    const etag = (await call(KEY)).headers.etag!;
    expect((await call(KEY, { method: 'PUT', body: '2', headers: { 'If-Match': etag } })).status).toBe(204);
    expectProblem(
      await call(KEY, { method: 'PUT', body: '3', headers: { 'If-Match': etag } }),
      412,
      'CONDITION_FAILED',
    );
    expectProblem(
      await call(KEY, { method: 'DELETE', headers: { 'If-Match': etag } }),
      412,
      'CONDITION_FAILED',
    );
    expect((await call(KEY)).text).toBe('2');
  });

  test('an entity tag that was never given matches nothing: 412, and nothing is written', async () => {
    await call(KEY, { method: 'PUT', body: '1' });
    for (const method of ['PUT', 'DELETE']) {
      const answer = await call(KEY, { method, headers: { 'If-Match': '"no tag of ours"' } });
      expectProblem(answer, 412, 'CONDITION_FAILED');
    }
    expect((await call(KEY)).text).toBe('1');
  });

  test('GET with If-Match of another version is 412, so that pieces of two are not joined', async () => {
    await call(KEY, { method: 'PUT', body: '12' });
    const { etag } = (await call(KEY)).headers;
    for (const tag of [etag!, `"x", ${etag}`, '*']) {
      const answer = await call(KEY, { headers: { 'If-Match': tag, Range: 'bytes=1-' } });
      expect([answer.status, answer.text]).toEqual([206, '2']);
    }
    for (const tag of ['"x"', `W/${etag}`, etag!.slice(1)]) {
      const answer = await call(KEY, { headers: { 'If-Match': tag, Range: 'bytes=1-' } });
      expectProblem(answer, 412, 'CONDITION_FAILED');
      expect(answer.headers.etag).toBe(etag);
    }
    expect((await call(KEY, { method: 'HEAD', headers: { 'If-Match': '"x"' } })).status).toBe(412);
    expectProblem(await call(`${KEY}none`, { headers: { 'If-Match': '*' } }), 404, 'NOT_FOUND');
    const put = { method: 'PUT', body: '3', headers: { 'If-Match': etag! } };
    expect(await call(`${KEY}?returnbody=true`, put)).toMatchObject({ status: 200, text: '3' });
  });

  test('PATCH with If-Match touches that version only', async () => {
    const before = context(await call(KEY, { method: 'PUT', body: '1' }));
    const superseding = { 'Ringlet-Context': before };
    const now = context(await call(KEY, { method: 'PUT', body: '2', headers: superseding }));
    const touch = (tag: string, path = KEY) =>
      call(`${path}?ttl=60000`, { method: 'PATCH', headers: { 'If-Match': tag } });
    for (const tag of ['"no tag of ours"', `"${before}"`])
      expectProblem(await touch(tag), 412, 'CONDITION_FAILED');
    expectProblem(await touch(`"${now}"`, `${KEY}-none`), 412, 'CONDITION_FAILED');
    expect((await call(KEY)).headers['ringlet-expires']).toBeUndefined();
    expect((await touch(`"${now}"`)).status).toBe(204);
    expect((await call(KEY)).headers['ringlet-expires']).toBeDefined();
  });

  test('GET with If-None-Match equal to the ETag is 304, else 200', async () => {
    await call(KEY, { method: 'PUT', body: '1' });
    const { etag } = (await call(KEY)).headers;
    for (const tag of [etag!, `W/${etag}`, `"x", ${etag}`, '*']) {
      const answer = await call(KEY, { headers: { 'If-None-Match': tag } });
      expect([answer.status, answer.body.length, answer.headers.etag]).toEqual([304, 0, etag]);
    }
    expect((await call(KEY, { headers: { 'If-None-Match': '"x"' } })).status).toBe(200);
  });

  test('conditions that the store does not have are 400', async () => {
    const refused = [
      { method: 'PUT', headers: { 'If-None-Match': '"x"' } },
      { method: 'PUT', headers: { 'If-Match': '*' } },
      { method: 'PUT', headers: { 'If-Match': 'bare' } },
      { method: 'DELETE', headers: { 'If-None-Match': '*' } },
      { method: 'PATCH', headers: { 'If-None-Match': '*' } },
      { method: 'PATCH', headers: { 'Ringlet-Context': 'x' } },
      ...['PUT', 'PATCH', 'DELETE'].map((method) => ({
        method,
        headers: { 'If-Unmodified-Since': new Date().toUTCString() },
      })),
    ];
    for (const sent of refused) expectProblem(await call(KEY, sent), 400, 'BAD_REQUEST');
    for (const header of ['If-Match', 'If-None-Match', 'Ringlet-Context']) {
      const sent = { method: 'POST', body: 'x', headers: { [header]: '*' } };
      expectProblem(await call('/buckets/b/keys', sent), 400, 'BAD_REQUEST');
    }
    expect((await call('/buckets/b/keys')).text).toBe('');
    expectProblem(
      await call(KEY, { method: 'PUT', headers: { 'Ringlet-Context': '!' } }),
      400,
      'BAD_CONTEXT',
    );
  });
});
