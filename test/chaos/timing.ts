import type { Way } from './way.js';

/** How a request ended: a success; "maybe applied"; a certain refusal. */
export type Ending = 'ok' | 'maybe' | 'refused';

interface Request {
  readonly way: Way['name'];
  readonly fromMs: number;
  readonly toMs: number;
  readonly ending: Ending;
}

interface Window {
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Times of all requests, and of the stretches of the run that are looked at. */
export class Timing {
  private readonly requests: Request[] = [];
  private readonly windows: Window[] = [];
  readonly errors = new Map<string, number>();

  add(way: Way['name'], fromMs: number, ending: Ending, code?: string): void {
    this.requests.push({ way, fromMs, toMs: performance.now(), ending });
    if (code !== undefined) this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }

  window(name: string, fromMs: number): void {
    this.windows.push({ name, fromMs, toMs: performance.now() });
  }

  /** Requests that began then or later and did not succeed. */
  failedSince(fromMs: number): number {
    return this.requests.filter((one) => one.fromMs >= fromMs && one.ending !== 'ok').length;
  }

  get size(): number {
    return this.requests.length;
  }

  /** A line per kind of window and way, the healthy one first; what failures cost against it. */
  report(): string[] {
    const names = [...new Set(this.windows.map(({ name }) => name))];
    const ways = ['library', 'HTTP'] as const;
    return ways.flatMap((way) => {
      const healthy = this.within('healthy', way);
      return names.map((name) => this.line(name, way, healthy));
    });
  }

  private within(name: string, way: Way['name']): Request[][] {
    return this.windows
      .filter((window) => window.name === name)
      .map(({ fromMs, toMs }) =>
        this.requests.filter((one) => one.way === way && one.fromMs >= fromMs && one.fromMs < toMs),
      );
  }

  private line(name: string, way: Way['name'], healthy: readonly Request[][]): string {
    const windows = this.within(name, way);
    const all = windows.flat();
    const good = all.filter(({ ending }) => ending === 'ok').length;
    const maybe = all.filter(({ ending }) => ending === 'maybe').length;
    const tail = percentile(all, 0.999);
    const usual = percentile(healthy.flat(), 0.999);
    const outage = Math.max(0, ...windows.map(longestGap));
    return [
      `  ${way.padEnd(9)}${name.padEnd(16)}`,
      `${String(all.length).padStart(7)} requests`,
      `${all.length === 0 ? '-' : ((100 * good) / all.length).toFixed(3)} % answered`.padStart(20),
      `${maybe} maybe`.padStart(10),
      `${all.length - good - maybe} refused`.padStart(11),
      `p99.9 ${tail.toFixed(1)} ms (${(tail / usual).toFixed(1)} x)`.padStart(26),
      `outage ${outage.toFixed(0)} ms`.padStart(16),
    ].join('');
  }
}

function percentile(requests: readonly Request[], share: number): number {
  const times = requests.map(({ fromMs, toMs }) => toMs - fromMs).sort((a, b) => a - b);
  return times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
}

/** The longest time in which no request of a client that runs many was answered with success. */
function longestGap(requests: readonly Request[]): number {
  const answers = requests
    .filter(({ ending }) => ending === 'ok')
    .map(({ toMs }) => toMs)
    .sort((a, b) => a - b);
  return answers.reduce((most, at, i) => Math.max(most, i === 0 ? 0 : at - answers[i - 1]!), 0);
}
