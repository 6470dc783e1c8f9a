import { RingletError } from '../base/errors.js';
import type { BucketProperties } from './api.js';
import type { Connection } from './connection.js';
import { checkBucketName, policyOf } from './policy.js';
import type { Policy } from './request.js';
import type { BucketCell, BucketDefinition, BucketDirectory } from './view.js';

const NO_OPTIONS = {} as const;

/** A bucket by its name, whether it exists yet or not, and what is wanted of it. */
export class NamedBucket {
  readonly name: string;
  readonly wanted: Partial<BucketProperties>;
  private readonly connection: Connection;
  private readonly directory: BucketDirectory;
  private cell: BucketCell | undefined;
  private checked: BucketDefinition | undefined;
  /** Of requests without options: as of the last {@link find}. */
  policy: Policy | undefined;

  /** @throws RingletError BAD_REQUEST: no name of a bucket */
  constructor(
    connection: Connection,
    directory: BucketDirectory,
    name: string,
    wanted: Partial<BucketProperties>,
  ) {
    checkBucketName(name);
    this.connection = connection;
    this.directory = directory;
    this.name = name;
    this.wanted = wanted;
  }

  /** The definition if the bucket exists. @throws RingletError BUCKET_MISMATCH: it is not what is wanted */
  find(): BucketDefinition | undefined {
    if (this.cell === undefined && (this.cell = this.directory.cell(this.name)) === undefined) {
      this.directory.refresh();
      this.cell = this.directory.cell(this.name);
      if (this.cell === undefined) return undefined;
    }
    const found = this.cell.definition;
    if (found === this.checked) return found;
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
    this.checked = found;
    this.policy = policyOf(found, this.connection.view, NO_OPTIONS);
    return found;
  }

  /** As if it existed, for what is checked before. */
  get unmade(): BucketDefinition {
    const properties = { ...this.connection.view.defaults, ...this.wanted };
    return { number: 0, name: this.name, properties, version: 0 };
  }

  async findOrCreate(): Promise<BucketDefinition> {
    return this.find() ?? (await this.directory.define(this.name, this.wanted).then(() => this.find()!));
  }

  async define(properties: Partial<BucketProperties>): Promise<BucketProperties> {
    return (await this.directory.define(this.name, { ...this.wanted, ...properties })).properties;
  }
}
