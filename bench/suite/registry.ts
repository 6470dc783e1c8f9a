import { readdir } from 'node:fs/promises';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Experiment } from './experiment.js';
import type { Mode } from '../report/schema.js';

/** Every file in bench/experiments/ is an experiment: adding one touches nothing else. In the order of a run. */
export async function loadExperiments(): Promise<readonly Experiment[]> {
  const directory = new URL('../experiments/', import.meta.url);
  const extension = extname(fileURLToPath(import.meta.url));
  const files = (await readdir(directory)).filter(
    (file) => file.endsWith(extension) && !file.endsWith('.d.ts'),
  );
  const experiments = await Promise.all(
    files.sort().map(async (file) => {
      const module = (await import(new URL(file, directory).href)) as { default: Experiment };
      return module.default;
    }),
  );
  return experiments.sort((a, b) => a.order - b.order);
}

/** The named experiments in the order of the registry; when no name is given, all that such a run has. */
export function selectExperiments(
  all: readonly Experiment[],
  only: readonly string[],
  mode: Mode,
): readonly Experiment[] {
  const unknown = only.filter((name) => !all.some((experiment) => experiment.name === name));
  if (unknown.length > 0) {
    const known = all.map(({ name }) => name).join(', ');
    throw new RangeError(`no experiment is named ${unknown.join(', ')}; there are ${known}`);
  }
  if (only.length > 0) return all.filter(({ name }) => only.includes(name));
  return mode === 'quick' ? all.filter(({ inQuickRuns }) => inQuickRuns) : all;
}
