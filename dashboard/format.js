const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

export function count(value) {
  if (value < 10_000) return whole.format(value);
  if (value < 1e6) return `${(value / 1e3).toFixed(value < 1e5 ? 1 : 0)}k`;
  return `${(value / 1e6).toFixed(1)}M`;
}

export function rate(value) {
  return value > 0 && value < 10 ? value.toFixed(1) : count(value);
}

export function bytes(value) {
  if (value < 1024) return `${value} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let unit = -1;
  let rest = value;
  while (rest >= 1024 && unit < units.length - 1) {
    rest /= 1024;
    unit++;
  }
  return `${rest.toFixed(rest < 10 ? 1 : 0)} ${units[unit]}`;
}

export function micros(value) {
  if (value === null || value === undefined) return '–';
  if (value < 1_000) return `${Math.round(value)} µs`;
  if (value < 1e6) return `${(value / 1e3).toFixed(value < 1e4 ? 1 : 0)} ms`;
  return `${(value / 1e6).toFixed(1)} s`;
}

export function age(ms) {
  const seconds = Math.round(ms / 1000);
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
}

const TEXT_BYTES = 4_096;
const HEX_BYTES = 256;

/** The beginning of a value: as text where it is text, else its bytes. */
export function preview(raw) {
  try {
    const isCut = raw.length > TEXT_BYTES;
    // A stream may break off within a character, which is left out.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(raw.subarray(0, TEXT_BYTES), {
      stream: isCut,
    });
    return isCut ? `${text}…` : text;
  } catch {
    const hex = Array.from(raw.subarray(0, HEX_BYTES), (byte) => byte.toString(16).padStart(2, '0'));
    return [...hex, ...(raw.length > HEX_BYTES ? ['…'] : [])].join(' ');
  }
}
