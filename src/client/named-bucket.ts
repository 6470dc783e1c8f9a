import { RingletError } from '../base/errors.js';
import type { BucketProperties } from './api.js';
import type { Connection } from './connection.js';
import { checkBucketName, completed, policyOf } from './policy.js';
import type { Policy } from './request.js';
import type { BucketCell, BucketDefinition, BucketDirectory } from './view.js';

const NO_OPTIONS = {} as const;
/** What requests may ask for, each for itself. */
const OF_REQUESTS = ['r', 'w', 'durability', 'strict', 'ttlMs'] as const;
type OfRequests = Pick<BucketProperties, (typeof OF_REQUESTS)[number]>;

/**
 * A bucket by its name, whether it exists yet or not, and what is wanted of it: what it is created with. Where it
 * was created otherwise, requests by this name all the same have the durability, the quorums and the time to live
 * that are wanted; n, conflict and cache cannot be other than they are.
 */
export class NamedBucket {
  readonly name: string;
  readonly wanted: Partial<BucketProperties>;
  private readonly connection: Connection;
  private readonly directory: BucketDirectory;
  private own: Partial<OfRequests>;
  private cell: BucketCell | undefined;
  private checked: BucketDefinition | undefined;
  /** What was checked, as requests have it. */
  private found: BucketDefinition | undefined;
  /** Of requests without options: as of the last {@link find}. */
  policy: Policy | undefined;

  /** @throws RingletError BAD_REQUEST: no name of a bucket */
  constructor(
    connection: Connection,
    directory: BucketDirectory,
    name: string,
    asked: Partial<BucketProperties>,
  ) {
    checkBucketName(name);
    this.connection = connection;
    this.directory = directory;
    this.name = name;
    this.wanted = completed(asked, connection.view.defaults);
    this.own = ownOf(asked);
  }

  /**
   * The definition if the bucket exists, as requests have it.
   *
   * @throws RingletError BUCKET_MISMATCH, BAD_REQUEST (a quorum above its n): it is not what is wanted
   */
  find(): BucketDefinition | undefined {
    if (this.cell === undefined && (this.cell = this.directory.cell(this.name)) === undefined) {
      this.directory.refresh();
      this.cell = this.directory.cell(this.name);
      if (this.cell === undefined) return undefined;
    }
    const found = this.cell.definition;
    if (found === this.checked) return this.found;
    for (const fixed of ['n', 'conflict', 'cache'] as const) {
      const wanted = this.wanted[fixed];
      const got = found.properties[fixed] ?? false;
      if (wanted === undefined || wanted === got) continue;
      throw new RingletError(
        'BUCKET_MISMATCH',
        `bucket ${this.name} was created with ${fixed} = ${got}, not ${wanted}; that cannot be changed`,
        { bucket: this.name, property: fixed, got, asked: wanted },
      );
    }
    // The quorums are at most its n.
    policyOf(found, this.connection.view, this.own);
    this.found = withOwn(found, this.own);
    this.policy = policyOf(this.found, this.connection.view, NO_OPTIONS);
    this.checked = found;
    return this.found;
  }

  /** {@link find}, with whatever has been said of it: requests learn that in a turn of their own. */
  findNewest(): BucketDefinition | undefined {
    this.directory.refresh();
    return this.find();
  }

  /** As if it existed, for what is checked before. */
  get unmade(): BucketDefinition {
    const properties = { ...this.connection.view.defaults, ...this.wanted };
    return { number: 0, name: this.name, properties, version: 0 };
  }

  async findOrCreate(): Promise<BucketDefinition> {
    return this.find() ?? (await this.directory.define(this.name, this.wanted).then(() => this.find()!));
  }

  /** From then on what is stored holds. */
  async define(properties: Partial<BucketProperties>): Promise<BucketProperties> {
    const before = this.find() === undefined ? this.wanted : this.own;
    const defined = await this.directory.define(this.name, { ...before, ...properties });
    this.own = {};
    this.checked = undefined;
    return defined.properties;
  }
}

function ownOf(asked: Partial<BucketProperties>): Partial<OfRequests> {
  const given = OF_REQUESTS.filter((name) => asked[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, asked[name]])) as Partial<OfRequests>;
}

function withOwn(found: BucketDefinition, own: Partial<OfRequests>): BucketDefinition {
  if (Object.keys(own).length === 0) return found;
  return { ...found, properties: { ...found.properties, ...own } };
}
