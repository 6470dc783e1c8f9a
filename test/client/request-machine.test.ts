import { beforeEach, describe, expect, test } from 'vitest';
import { KeyRouter } from '../../src/client/key-router.js';
import { RequestMachine } from '../../src/client/request-machine.js';
import type { GetTask, PutTask, ScanTask } from '../../src/client/request.js';
import { Claims } from '../../src/messaging/claims.js';
import {
  ABSENT,
  frameRequest,
  frameType,
  GET,
  GET_REPLY,
  IF_ABSENT,
  OK,
  OUT_CONDITION_UNAVAILABLE,
  OUT_FULL,
  OUT_QUORUM,
  OUT_STALE_RING,
  PING,
  PING_WORDS,
  PONG,
  PUT,
  PUT_REPLY,
  PUT_REPLY_WORDS,
  RECORD_AT,
  SCAN,
  SCAN_RECORDS_AT,
  SCAN_REPLY,
  writeHeader,
} from '../../src/messaging/frames.js';
import { allocateShared, SharedLayout } from '../../src/messaging/layout.js';
import { RingEndpoint } from '../../src/messaging/ring-endpoint.js';
import { buildRing } from '../../src/ring/ring.js';
import { fixedRings } from './fixed-rings.js';

const nodes = [1, 2, 3].map((i) => ({ id: `n${i}`, capacity: 1, vnodes: 1 }));
const ring = buildRing({ nodes, partitions: 8, spacing: 3 });

/** Of frames that have more than a record would stand behind. */
const FIXED_WORDS = new Map([
  [PUT_REPLY, PUT_REPLY_WORDS],
  [PONG, PING_WORDS],
  [SCAN_REPLY, SCAN_RECORDS_AT],
]);

/** A caller's machine over real rings and claims; what virtual nodes do with its frames is up to the test. */
class World {
  nowMs = 1_000;
  readonly shared = allocateShared({
    vnodes: 3,
    callers: 1,
    claimsPerCaller: 4_096,
    callerRingBytes: 64 << 10,
    vnodeRingBytes: 4_096,
  });
  readonly claims: Claims;
  readonly vnodes: readonly RingEndpoint[];
  private readonly caller: RingEndpoint;
  readonly machine: RequestMachine;
  readonly router = new KeyRouter(ring);
  /** Owner → who holds hints for it. */
  readonly hinted = new Map<number, number>();
  readonly rings = fixedRings(ring);
  /** Being rebuilt: says of nothing that it is absent. */
  readonly broken = new Set<number>();
  /** Takes part in nothing. */
  readonly cut = new Set<number>();
  /** Puts that were sent to who is cut. */
  lostPuts = 0;
  /** What happens to a frame: PING is answered by all that are not cut. */
  onPut: (vnode: number, request: number) => void = () => undefined;
  onGet: (vnode: number, request: number) => void = () => undefined;
  onScan: (vnode: number, request: number) => void = () => undefined;
  /** Threads that there were in its place before. */
  readonly replaced = [0, 0, 0];

  constructor() {
    this.claims = new Claims(new Int32Array(this.shared.control), new SharedLayout(this.shared.shape));
    this.vnodes = [0, 1, 2].map((party) => new RingEndpoint(this.shared, party));
    this.caller = new RingEndpoint(this.shared, 3);
    this.machine = new RequestMachine({
      caller: 0,
      rings: this.rings,
      router: this.router,
      endpoint: this.caller,
      claims: this.claims,
      isServing: () => true,
      isWhole: (vnode) => !this.broken.has(vnode),
      incarnation: (vnode) => 1 + this.replaced[vnode]!,
      publishSuspicion: () => undefined,
      holdsHintsFor: (holder, owner) => this.hinted.get(owner) === holder,
    });
  }

  owners(name: string): number[] {
    this.router.locate(name);
    const at = this.router.partition * ring.preferenceLength;
    return Array.from(ring.preference.subarray(at, at + 3));
  }

  reply(from: number, type: number, request: number, outcome: number, more: readonly number[] = []): void {
    const fixed = FIXED_WORDS.get(type) ?? RECORD_AT;
    const outbox = this.vnodes[from]!.to(3);
    const at = outbox.begin((fixed + more.length) * 4);
    outbox.words.fill(0, at + 1, at + fixed);
    writeHeader(outbox.words, at, type, 0, request, 0, this.nowMs + 1_000);
    outbox.words[at + 6] = outcome;
    if (type === PUT_REPLY) outbox.words[at + 9] = more.length / 2;
    outbox.words.set(more, at + fixed);
    outbox.end();
    this.vnodes[from]!.flush();
  }

  run(milliseconds: number): void {
    for (const untilMs = this.nowMs + milliseconds; this.nowMs < untilMs;) {
      this.nowMs += 10;
      this.machine.poll(this.nowMs);
      this.machine.tick(this.nowMs);
      this.caller.flush();
      this.vnodes.forEach((vnode, v) => {
        vnode.drain(1_000, (_from, words, _bytes, at) => {
          const request = frameRequest(words, at);
          if (this.cut.has(v)) {
            if (frameType(words, at) === PUT) this.lostPuts++;
            return;
          }
          if (frameType(words, at) === PING) this.reply(v, PONG, 0, 0);
          else if (frameType(words, at) === PUT) this.onPut(v, request);
          else if (frameType(words, at) === GET) this.onGet(v, request);
          else if (frameType(words, at) === SCAN) this.onScan(v, request);
        });
        vnode.flush();
      });
    }
  }

  private common(name: string) {
    this.router.locate(name);
    return {
      key: { source: name, hash: this.router.hash, partition: this.router.partition },
      policy: { bucket: 1, n: 3, r: 2, w: 2, level: 0, rule: 0, strict: false, sloppyPuts: true },
      startedMs: this.nowMs,
      deadlineMs: this.nowMs + 5_000,
      timeline: undefined,
    };
  }

  put(name: string, condition = 0, valueBytes = 3): { outcome: unknown; tookMs: number } {
    const result = { outcome: undefined as unknown, tookMs: -1 };
    const startedMs = this.nowMs;
    const task: PutTask = {
      kind: 'put',
      ...this.common(name),
      operation: 0,
      condition,
      context: [],
      value: new Uint8Array(valueBytes),
      valueAt: 0,
      valueBytes,
      contentTypeCode: 0,
      contentType: undefined,
      by: 0,
      done: (outcome) => {
        result.outcome = 'vector' in outcome ? 'ok' : [outcome.code, outcome.maybeApplied];
        result.tookMs = this.nowMs - startedMs;
      },
    };
    this.machine.submit(task, this.nowMs);
    return result;
  }

  get(name: string, policy: Partial<GetTask['policy']> = {}): { outcome: unknown; tookMs: number } {
    const result = { outcome: undefined as unknown, tookMs: -1 };
    const startedMs = this.nowMs;
    const task: GetTask = {
      kind: 'get',
      ...this.common(name),
      policy: { ...this.common(name).policy, ...policy },
      done: (outcome) => {
        result.outcome =
          'contributions' in outcome ? outcome.contributions.map(({ vnode }) => vnode) : outcome.code;
        result.tookMs = this.nowMs - startedMs;
      },
    };
    this.machine.submit(task, this.nowMs);
    return result;
  }
}

describe('a page of a scan', () => {
  const page = (world: World, more: Partial<ScanTask> = {}): { outcome: unknown } => {
    const result: { outcome: unknown } = { outcome: undefined };
    const place = { vnode: 1, bucket: 1, partition: 0, after: new Uint8Array(0), limit: 10 };
    world.machine.submit(
      {
        kind: 'scan',
        ...place,
        settled: true,
        startedMs: world.nowMs,
        deadlineMs: world.nowMs + 5_000,
        done: (outcome) =>
          (result.outcome = typeof outcome === 'object' && 'records' in outcome ? 'read' : outcome),
        ...more,
      },
      world.nowMs,
    );
    return result;
  };

  test('is asked of somebody else when the virtual node owns the partition no more', () => {
    const world = new World();
    world.onScan = (vnode, request) => world.reply(vnode, SCAN_REPLY, request, OUT_STALE_RING);
    const scan = page(world);
    world.run(20);
    expect(scan.outcome).toBe('elsewhere');
    expect(world.machine.pending).toBe(0);
  });

  test('is asked of somebody else when the thread that was asked is gone; for a backup of the next one', () => {
    const world = new World();
    const scan = page(world);
    const backup = page(world, { every: true });
    world.run(20);
    expect(scan.outcome).toBeUndefined();
    world.replaced[1]!++;
    world.onScan = (vnode, request) => world.reply(vnode, SCAN_REPLY, request, OK);
    world.run(40);
    expect([scan.outcome, backup.outcome]).toEqual(['elsewhere', 'read']);
  });
});

describe('requests of a caller when a virtual node is silent (N=3)', () => {
  let world: World;
  let first: number;
  let second: number;
  let third: number;
  let claimedBy: number[];
  beforeEach(() => {
    world = new World();
    [first, second, third] = world.owners('k') as [number, number, number];
    claimedBy = [];
    world.onPut = (vnode, request) => {
      if (!world.claims.claim(0, request)) return;
      claimedBy.push(vnode);
      world.reply(vnode, PUT_REPLY, request, OK, [7, 1]);
    };
    world.onGet = (vnode, request) => world.reply(vnode, GET_REPLY, request, ABSENT);
  });

  test('a put whose coordinator is cut off goes to the next owner, later ones go there at once', () => {
    world.cut.add(first);
    const put = world.put('k');
    world.run(600);
    expect([put.outcome, claimedBy]).toEqual(['ok', [second]]);
    expect(put.tookMs).toBeLessThan(80);
    const next = world.put('k');
    world.run(30);
    expect([next.outcome, claimedBy, world.lostPuts]).toEqual(['ok', [second, second], 1]);
    world.cut.delete(first);
    for (let i = 0; i < 30; i++) {
      world.put('other');
      world.run(20);
    }
    const healed = world.put('k');
    world.run(30);
    expect([healed.outcome, claimedBy.at(-1)]).toEqual(['ok', first]);
  });

  test('a put that was taken by who fell silent is never sent to another: it ends within a second, as maybe', () => {
    world.onPut = (vnode, request) => {
      expect(world.claims.claim(0, request)).toBe(true);
      claimedBy.push(vnode);
      world.cut.add(vnode);
    };
    const put = world.put('k');
    world.run(6_000);
    expect([put.outcome, claimedBy]).toEqual([['COORDINATOR_LOST', true], [first]]);
    expect(put.tookMs).toBeLessThan(1_000);
  });

  test('a long put is sent once while its bytes are on their way, although no answer can come past them', () => {
    const put = world.put('k', 0, 2 << 20);
    world.run(200);
    const beside = world.put('k');
    world.run(300);
    expect([put.outcome, claimedBy.filter((vnode) => vnode === first)]).toEqual(['ok', [first]]);
    // Little ones need not wait behind it.
    expect([beside.outcome, claimedBy.length]).toEqual(['ok', 2]);
  });

  test('a long put goes to the next owner all the same, only later, and is given up as lost later', () => {
    world.cut.add(first);
    const put = world.put('k', 0, 2 << 20);
    world.run(1_500);
    expect([put.outcome, claimedBy]).toEqual(['ok', [second]]);
    world.onPut = (vnode, request) => {
      world.claims.claim(0, request);
      world.cut.add(vnode);
    };
    const lost = world.put('k', 0, 2 << 20);
    world.run(3_000);
    expect(lost.outcome).toEqual(['COORDINATOR_LOST', true]);
    expect(lost.tookMs).toBeGreaterThan(1_200);
  });

  test('where all owners are silent, no put wanders: it waits for the one that it was sent to', () => {
    world.cut.add(first).add(second).add(third);
    world.put('k');
    world.run(200);
    expect([world.lostPuts, claimedBy]).toEqual([1, []]);
  });

  test('a put whose coordinator was doubted wrongly, and had taken it, is answered by it', () => {
    let request = 0;
    const onPut = world.onPut;
    world.onPut = (vnode, number) => {
      if (vnode !== first) return onPut(vnode, number);
      request = number;
      claimedBy.push(vnode);
      world.claims.claim(0, number);
      world.cut.add(vnode);
    };
    const put = world.put('k');
    world.run(400);
    const other = world.put('k');
    world.run(30);
    expect([put.outcome, other.outcome]).toEqual([undefined, 'ok']);
    world.cut.delete(first);
    world.reply(first, PUT_REPLY, request, OK, [7, 1]);
    world.run(30);
    expect([put.outcome, claimedBy]).toEqual(['ok', [first, second]]);
  });

  test('a put that was taken by who is slow, but answers otherwise, is waited for until its deadline', () => {
    world.onPut = (vnode, request) => {
      world.claims.claim(0, request);
      claimedBy.push(vnode);
    };
    const put = world.put('k');
    world.run(4_900);
    expect(put.outcome).toBeUndefined();
    world.run(200);
    expect([put.outcome, claimedBy]).toEqual([['TIMEOUT', true], [first]]);
  });

  test('a put that an owner has no room for goes to the next one; STORE_FULL when all are full', () => {
    const full = new Set([first]);
    const onPut = world.onPut;
    world.onPut = (vnode, request) => {
      if (!full.has(vnode)) onPut(vnode, request);
      // It had claimed the put: nobody else can with that number.
      else if (world.claims.claim(0, request)) world.reply(vnode, PUT_REPLY, request, OUT_FULL);
    };
    const put = world.put('k');
    world.run(30);
    expect([put.outcome, claimedBy]).toEqual(['ok', [second]]);
    full.add(second).add(third);
    const next = world.put('k');
    world.run(50);
    expect([next.outcome, claimedBy]).toEqual([['STORE_FULL', false], [second]]);
  });

  test('a put that was lost on its way goes to another owner after a second, though the first one lives', () => {
    const onPut = world.onPut;
    world.onPut = (vnode, request) => {
      if (vnode !== first) onPut(vnode, request);
    };
    const put = world.put('k');
    world.run(1_500);
    expect([put.outcome, claimedBy]).toEqual(['ok', [second]]);
    expect(put.tookMs).toBeGreaterThanOrEqual(1_000);
  });

  test('what a late frame finds is not its put any more: it is executed once', () => {
    const late: number[] = [];
    const onPut = world.onPut;
    world.onPut = (vnode, request) => {
      if (vnode === first) late.push(request);
      else onPut(vnode, request);
    };
    world.put('k');
    world.run(1_500);
    expect(claimedBy).toEqual([second]);
    expect(late.map((request) => world.claims.claim(0, request))).toEqual([false]);
  });

  test('an owner that reaches too few others is passed over; when all refuse, all are asked again', () => {
    const refused: number[] = [];
    let healed = false;
    const onPut = world.onPut;
    world.onPut = (vnode, request) => {
      if (vnode === third && healed) {
        onPut(vnode, request);
        return;
      }
      refused.push(vnode);
      world.reply(vnode, PUT_REPLY, request, OUT_QUORUM);
    };
    const put = world.put('k');
    world.run(200);
    expect(put.outcome).toBeUndefined();
    expect(refused.slice(0, 3)).toEqual([first, second, third]);
    expect(refused.length).toBeGreaterThan(6);
    healed = true;
    world.run(100);
    expect([put.outcome, claimedBy]).toEqual(['ok', [third]]);
  });

  test('a put that everybody leaves to others fails at its deadline for want of owners, not of a condition', () => {
    world.onPut = (vnode, request) => world.reply(vnode, PUT_REPLY, request, OUT_STALE_RING);
    const put = world.put('k');
    world.run(5_100);
    expect([put.outcome, claimedBy]).toEqual([['QUORUM_NOT_MET', false], []]);
  });

  test('a get asks another owner after 50 ms, and one that is suspected only when too few others are left', () => {
    world.cut.add(first);
    const get = world.get('k');
    world.run(1_000);
    expect([get.outcome, get.tookMs < 120]).toEqual([[second, third], true]);
    world.put('k');
    world.run(600);
    const asked: number[] = [];
    world.onGet = (vnode, request) => {
      asked.push(vnode);
      world.reply(vnode, GET_REPLY, request, ABSENT);
    };
    const next = world.get('k');
    world.run(30);
    expect([next.outcome, next.tookMs]).toEqual([[second, third], expect.any(Number)]);
    expect(next.tookMs).toBeLessThan(40);
  });

  test('a long answer is asked for once, however long it is on its way', () => {
    const asked = [0, 0, 0];
    // Through rings of 64 KiB, one a turn of 10 ms: about 0.8 s.
    const long = Array.from<number>({ length: (5 << 20) / 4 }).fill(0);
    world.onGet = (vnode, request) => {
      asked[vnode]!++;
      world.reply(vnode, GET_REPLY, request, ABSENT, long);
    };
    const get = world.get('k');
    world.run(2_000);
    expect(get.outcome).toHaveLength(2);
    expect(get.tookMs).toBeGreaterThan(600);
    expect(Math.max(...asked)).toBe(1);
  });

  test('a question or an answer that was lost is repeated', () => {
    const seen = new Map<number, number>();
    world.onGet = (vnode, request) => {
      seen.set(vnode, (seen.get(vnode) ?? 0) + 1);
      if (seen.get(vnode)! > 1) world.reply(vnode, GET_REPLY, request, ABSENT);
    };
    const get = world.get('k');
    world.run(1_000);
    expect(get.outcome).toHaveLength(2);
    expect(get.tookMs).toBeLessThan(700);
  });
});

/**
 * Found by the simulator: a counter that had more than was ever added. Over links that duplicate, a
 * refusal met a second copy of what it refused.
 */
describe('a put that is refused while links duplicate', () => {
  test('and was claimed from a second copy meanwhile is not tried again: that answer counts', () => {
    const world = new World();
    const sent: number[] = [];
    world.onPut = (vnode, request) => {
      sent.push(request);
      world.claims.claim(0, request);
      world.reply(vnode, PUT_REPLY, request, OUT_QUORUM);
    };
    const result = world.put('k');
    world.run(200);
    expect(sent.length).toBe(1);
    expect(result.outcome).toBe(undefined);
    world.reply(world.owners('k')[0]!, PUT_REPLY, sent[0]!, OK, [7, 1]);
    world.run(20);
    expect(result.outcome).toBe('ok');
  });

  test('is tried again under another number, so that no copy of it can be claimed later', () => {
    const world = new World();
    const sent: number[] = [];
    world.onPut = (vnode, request) => {
      sent.push(request);
      world.reply(vnode, PUT_REPLY, request, OUT_QUORUM);
    };
    world.put('k');
    world.run(200);
    expect(sent.length).toBeGreaterThan(3);
    expect(new Set(sent).size).toBe(sent.length);
    expect(sent.slice(0, -1).filter((request) => world.claims.claim(0, request))).toEqual([]);
  });
});

describe('a conditional put that is refused while links duplicate', () => {
  const refused = (claims: boolean): { world: World; sent: number[]; result: { outcome: unknown } } => {
    const world = new World();
    const sent: number[] = [];
    world.onPut = (vnode, request) => {
      sent.push(request);
      if (claims) world.claims.claim(0, request);
      world.reply(vnode, PUT_REPLY, request, OUT_CONDITION_UNAVAILABLE);
    };
    const result = world.put('k', IF_ABSENT);
    world.run(200);
    return { world, sent, result };
  };

  test('is executed by no copy of it that is still being decided', () => {
    const { world, sent, result } = refused(false);
    expect(result.outcome).toEqual(['CONDITION_UNAVAILABLE', false]);
    expect(sent.map((request) => world.claims.claim(0, request))).toEqual([false]);
  });

  test('and was claimed from a second copy meanwhile has not failed: that answer counts', () => {
    const { world, sent, result } = refused(true);
    expect(result.outcome).toBeUndefined();
    world.reply(world.owners('k')[0]!, PUT_REPLY, sent[0]!, OK, [7, 1]);
    world.run(20);
    expect(result.outcome).toBe('ok');
  });
});

test('an absence that was given by no owner does not count when its giver has become one meanwhile (N=1)', () => {
  const world = new World();
  const [owner, fallback, other] = world.owners('key') as [number, number, number];
  world.broken.add(owner);
  world.cut.add(owner);
  let asked = 0;
  world.onGet = (vnode, request) => {
    if (vnode !== fallback) return;
    asked++;
    if (asked === 1) world.reply(vnode, GET_REPLY, request, ABSENT);
  };
  const get = world.get('key', { n: 1, r: 1 });
  world.run(40);
  expect([asked, get.outcome]).toEqual([1, undefined]);
  const at = world.router.partition * ring.preferenceLength;
  const preference = ring.preference.slice();
  preference.set([fallback, owner, other], at);
  world.rings.current = { ...ring, preference, revision: ring.revision + 1 };
  world.run(40);
  expect([asked, get.outcome]).toEqual([2, undefined]);
});

test.for([
  ['a node that leaves', true],
  ['a fallback of before a ring change', false],
] as const)(
  '%s is asked for what it keeps for an owner, although it is in no list any more (N=1)',
  ([, leaves]) => {
    const world = new World();
    const [owner, , leaver] = world.owners('key') as [number, number, number];
    world.hinted.set(owner, leaver);
    const asked: number[] = [];
    world.onGet = (vnode, request) => {
      asked.push(vnode);
      world.reply(vnode, GET_REPLY, request, ABSENT);
    };
    const without = (list: Int32Array): number[] => Array.from(list).filter((vnode) => vnode !== leaver);
    const preference = Int32Array.from(
      Array.from({ length: ring.partitions }, (_, p) =>
        without(ring.preference.subarray(p * 3, p * 3 + 3)),
      ).flat(),
    );
    world.rings.current = {
      ...ring,
      preference,
      preferenceLength: 2,
      revision: ring.revision + 1,
      ...(leaves
        ? {
            cleaning: {
              since: 1,
              slots: [leaver],
              leaver: ring.vnodes[leaver]!.node,
              before: ring.preference,
              beforeLength: 3,
            },
          }
        : {}),
    };
    const get = world.get('key', { n: 1, r: 1 });
    world.run(40);
    expect(new Set(asked)).toEqual(new Set([owner, leaver]));
    expect(get.outcome).toBeDefined();
  },
);
