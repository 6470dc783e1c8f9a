import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { openDoor } from './harness.js';

/** Debian's own clients: another view than that of libraries for Node. */
const door = openDoor();
const run = promisify(execFile);

/** Of the distribution: another Python need not have its packages. */
const PYTHON = '/usr/bin/python3';
const works = (file: string, ...args: string[]): boolean => spawnSync(file, args).status === 0;

describe.skipIf(!works('redis-cli', '--version'))('redis-cli (apt-get install redis-tools)', () => {
  const cli = async (...args: string[]): Promise<string> =>
    (await run('redis-cli', ['-p', String(door.port), ...args])).stdout.trimEnd();

  test.each([[[]], [['-3']]])('sets, gets, expires and scans (%s)', async (protocol: string[]) => {
    const database = [...protocol, '-n', protocol.length === 0 ? '1' : '2'];
    expect(await cli(...database, 'SET', 'a', 'b', 'EX', '1000')).toBe('OK');
    expect(await cli(...database, 'GET', 'a')).toBe('b');
    expect(Number(await cli(...database, 'TTL', 'a'))).toBeGreaterThan(0);
    expect(await cli(...database, 'EXPIRE', 'a', '1', 'GT')).toBe('0');
    expect(await cli(...database, 'INCRBY', 'n', '5')).toBe('5');
    expect((await cli(...database, '--scan')).split('\n').toSorted()).toEqual(['a', 'n']);
    expect(await cli(...database, 'LPUSH', 'l', '1')).toMatch(/^ERR unknown command/);
    expect(await cli(...database, '--bigkeys')).toContain('Biggest string found');
  });
});

const SCRIPT = `
import sys, redis
for protocol in (2, 3):
    options = {} if protocol == 2 else {"protocol": 3}
    try:
        r = redis.Redis(port=int(sys.argv[1]), db=protocol + 6, decode_responses=True, **options)
    except TypeError:
        continue  # older than RESP3
    assert r.set("a", "b", px=1000000) is True
    assert r.get("a") == "b"
    assert 0 < r.pttl("a") <= 1000000
    assert r.set("a", "c", nx=True) is None
    assert r.set("a", "c", keepttl=True, get=True) == "b"
    assert r.pttl("a") > 0
    assert r.persist("a") == 1 and r.ttl("a") == -1 and r.ttl("none") == -2
    assert r.setex("s", 100, "v") is True and r.getex("s", persist=True) == "v"
    assert r.incrby("n", 5) == 5 and r.incrbyfloat("f", 0.5) == 0.5
    assert r.mset({"x": 1, "y": 2}) is True and r.mget("x", "none", "y") == ["1", None, "2"]
    assert sorted(r.scan_iter(match="*", count=2)) == ["a", "f", "n", "s", "x", "y"]
    with r.pipeline() as pipe:
        assert pipe.incr("n").get("n").execute() == [6, "6"]
    assert r.delete("x", "y", "none") == 2
    try:
        r.lpush("l", 1)
        raise AssertionError("lists are not known")
    except redis.ResponseError as error:
        assert "unknown command" in str(error)
    print("done", protocol)
`;

test.skipIf(!works(PYTHON, '-c', 'import redis'))(
  'redis for Python: strings, times to live, scans, transactions (apt-get install python3-redis)',
  async () => {
    const { stdout } = await run(PYTHON, ['-c', SCRIPT, String(door.port)]);
    expect(stdout).toContain('done 2');
  },
);
