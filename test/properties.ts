import fc from 'fast-check';

/**
 * fast-check as tests use it: it draws the same cases in every run, so that a case that is found fails for whom it
 * concerns, and no change fails for one that it has nothing to do with. Long runs draw others each time.
 */
if (process.env['RINGLET_LONG'] === undefined) fc.configureGlobal({ seed: 1 });
export default fc;
