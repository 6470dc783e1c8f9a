import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { standaloneSvg } from '../figures/draw.js';
import { LatencyHistogram } from '../measure/histogram.js';
import type { Experiment } from '../suite/experiment.js';
import { reportHtml } from './html.js';
import type { Results } from './schema.js';

/** Everything in the folder that is made of results.json: the page, each figure as a file, and histograms. */
export async function writeReport(
  directory: string,
  results: Results,
  experiments: readonly Experiment[],
): Promise<void> {
  await writeWhole(join(directory, 'report.html'), reportHtml(results, experiments));
  const [figures, histograms] = [join(directory, 'figures'), join(directory, 'histograms')];
  await mkdir(figures, { recursive: true });
  await mkdir(histograms, { recursive: true });
  for (const experiment of experiments) {
    const result = results.experiments[experiment.name];
    if (result === undefined) continue;
    for (const figure of experiment.figures(result)) {
      await writeFile(join(figures, `${figure.id}.svg`), standaloneSvg(figure));
    }
    for (const [index, row] of result.rows.entries()) {
      if (typeof row['histogram'] !== 'string' || row.samples === 0) continue;
      const name = `${experiment.name}-${String(index).padStart(2, '0')}-${row.op ?? 'all'}.hgrm`;
      await writeFile(join(histograms, name), LatencyHistogram.decode(row['histogram']).hgrm());
    }
  }
}

/** Replaced in one step: a reader never sees half a page. */
async function writeWhole(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}
