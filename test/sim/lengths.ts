export const LONG = process.env['RINGLET_LONG'] !== undefined;
/** What takes minutes: in a stage of .ci/run, which sets this, and in long runs. */
export const WHOLE = LONG || process.env['RINGLET_SIM'] === 'whole';
