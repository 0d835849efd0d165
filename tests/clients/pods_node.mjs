// @kubernetes/client-node: a pod that runs; exec, attach, logs, port-forward, cp's exec.
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { Attach, CoreV1Api, Exec, Log, PortForward, Watch } from '@kubernetes/client-node';
import { awaited, config, ns, run } from './checks.mjs';

const core = config.makeApiClient(CoreV1Api);
const exec = new Exec(config);

// A sink that collects text and can be waited on for a piece of it.
function collector(piece) {
  const sink = new PassThrough();
  const found = awaited(`"${piece}"`);
  sink.text = '';
  sink.on('data', (data) => {
    sink.text += data;
    if (piece && sink.text.includes(piece)) found.resolve(sink.text);
  });
  if (!piece) sink.on('end', () => found.resolve(sink.text));
  sink.found = found.promise;
  return sink;
}

async function aPodRuns() {
  const script = 'echo hello; echo served >/www/index.html; busybox httpd -p 8080 -h /www; ' +
    'while read -r line; do echo got $line; done; sleep 1000';
  await core.createNamespacedPod({ namespace: ns, body: { metadata: { name: 'p' }, spec: {
    terminationGracePeriodSeconds: 0,
    containers: [{ name: 'main', image: 'busybox:1', stdin: true, command: ['sh', '-c', script] }] } } });
  const ready = awaited('ready pod');
  const watch = await new Watch(config).watch(`/api/v1/namespaces/${ns}/pods`, {}, (type, pod) => {
    const conditions = pod.status.conditions ?? [];
    if (conditions.some((c) => c.type === 'Ready' && c.status === 'True')) ready.resolve();
  }, () => {});
  await ready.promise;
  watch.abort();
}

async function ran(command, stdin = null, tty = false) {
  const out = new PassThrough();
  const err = new PassThrough();
  const done = awaited('end of exec');
  let text = '';
  let errors = '';
  out.on('data', (data) => { text += data; });
  err.on('data', (data) => { errors += data; });
  await exec.exec(ns, 'p', 'main', command, out, tty ? null : err, stdin, tty, done.resolve);
  const status = await done.promise;
  return { text, errors, status };
}

async function execGivesOutputAndStatus() {
  const good = await ran(['sh', '-c', 'echo out; echo err >&2']);
  assert.deepEqual([good.text, good.errors, good.status.status], ['out\n', 'err\n', 'Success']);
  const bad = await ran(['sh', '-c', 'exit 7']);
  assert.equal(bad.status.reason, 'NonZeroExitCode');
  assert.deepEqual(bad.status.details.causes, [{ reason: 'ExitCode', message: '7' }]);
}

// The end of stdin goes over the wire: v5.channel.k8s.io's own message.
async function execEndsItsInput() {
  const input = new PassThrough();
  input.end('one\ntwo\n');
  const { text, status } = await ran(['wc', '-l'], input);
  assert.deepEqual([text.trim(), status.status], ['2', 'Success']);
}

async function execWithATerminal() {
  const { text } = await ran(['sh', '-c', 'test -t 0 && echo terminal'], new PassThrough(), true);
  assert.match(text, /terminal/);
}

async function attachFeedsInput() {
  const input = new PassThrough();
  const out = collector('got ping');
  const socket = await new Attach(config).attach(ns, 'p', 'main', out, null, input, false);
  input.write('ping\n');
  await out.found;
  socket.close();
}

async function logs() {
  const followed = collector('got ping');
  const request = await new Log(config).log(ns, 'p', 'main', followed, { follow: true });
  assert.equal(await followed.found, 'hello\ngot ping\n');
  request.abort();
  const last = collector();
  await new Log(config).log(ns, 'p', 'main', last, { tailLines: 1 });
  assert.equal(await last.found, 'got ping\n');
}

async function portForward() {
  const out = collector('served');
  const input = new PassThrough();
  const errors = collector('x');
  const socket = await new PortForward(config).portForward(ns, 'p', [8080], out, errors, input);
  input.write('GET /index.html HTTP/1.0\r\n\r\n');
  await out.found;
  assert.equal(errors.text, '');
  socket.close();
}

async function deleteEndsIt() {
  await core.deleteNamespacedPod({ name: 'p', namespace: ns, gracePeriodSeconds: 0 });
  const pods = await core.listNamespacedPod({ namespace: ns });
  assert.deepEqual(pods.items, []);
}

await run([aPodRuns, execGivesOutputAndStatus, execEndsItsInput, execWithATerminal, attachFeedsInput,
  logs, portForward, deleteEndsIt]);
