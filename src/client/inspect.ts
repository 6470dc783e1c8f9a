import { isLive } from '../storage/record-codec.js';
import { wallOfHybrid } from '../base/time.js';
import type { GetResult, Inspection, KeyCopy } from './api.js';
import type { Connection } from './connection.js';
import type { GetOutcome, LocatedKey, Policy } from './request.js';
import { describeRing } from './stats.js';

/** What all that can be asked know about a key, beside what a get makes of it. */
export function inspectionOf(
  connection: Connection,
  key: LocatedKey,
  { n, r }: Policy,
  { contributions }: GetOutcome,
  result: GetResult,
): Inspection {
  const ring = describeRing(connection.view);
  const members = new Map(
    ring.nodes.flatMap((node) =>
      node.vnodes.map((vnode) => [vnode.id, { node: node.id, ...vnode }] as const),
    ),
  );
  const ordinals = new Map(connection.view.ring.vnodes.map(({ id, ordinal }) => [id, ordinal]));
  const preferenceList = ring.preferenceLists[key.partition]!.map((vnode, i): KeyCopy => {
    const { node, state, suspectedBy } = members.get(vnode) ?? {
      node: '',
      state: 'stopped',
      suspectedBy: [],
    };
    const found = contributions.find((contribution) => contribution.vnode === ordinals.get(vnode));
    const versions = found?.clock?.map(({ actor, n: counter, values }) => ({
      actor,
      counter,
      values: values.map((value) => ({
        deleted: !isLive(value),
        bytes: value.bytes.length,
        contentType: value.contentType,
        modifiedAtMs: wallOfHybrid(value.time),
      })),
    }));
    const answer = found === undefined ? 'none' : versions === undefined ? 'absent' : 'present';
    return { vnode, node, state, suspectedBy, owner: i < n, answer, versions: versions ?? [] };
  });
  return { partition: key.partition, n, r, preferenceList, result };
}
