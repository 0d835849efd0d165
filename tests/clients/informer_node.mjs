// @kubernetes/client-node: an informer that follows a namespace, and plain watches.
import assert from 'node:assert/strict';
import { CoreV1Api, PatchStrategy, Watch, makeInformer, setHeaderOptions } from '@kubernetes/client-node';
import { awaited, config, ns, run } from './checks.mjs';

const core = config.makeApiClient(CoreV1Api);
const path = `/api/v1/namespaces/${ns}/configmaps`;
const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
const create = (name, labels) => core.createNamespacedConfigMap(
  { namespace: ns, body: { metadata: { name, labels }, data: { a: '1' } } });
const change = (name, body) => core.patchNamespacedConfigMap({ name, namespace: ns, body }, merge);
const remove = (name) => core.deleteNamespacedConfigMap({ name, namespace: ns });

async function informerFollows() {
  await create('before');
  const informer = makeInformer(config, path, () => core.listNamespacedConfigMap({ namespace: ns }));
  const seen = [];
  const done = awaited('deletion of i');
  for (const verb of ['add', 'update', 'delete']) {
    informer.on(verb, (object) => {
      if (object.metadata.name === 'kube-root-ca.crt') return;
      seen.push(`${verb} ${object.metadata.name}`);
      if (verb === 'delete' && object.metadata.name === 'i') done.resolve();
    });
  }
  informer.on('error', (error) => seen.push(`error ${error}`));
  await informer.start();
  await create('i');
  await change('i', { data: { a: '2' } });
  await change('before', { data: { a: '2' } });
  await remove('i');
  await done.promise;
  assert.deepEqual(seen, ['add before', 'add i', 'update i', 'update before', 'delete i']);
  assert.equal(informer.get('before', ns).data.a, '2');
  assert.equal(informer.get('i', ns), undefined);
  await informer.stop();
}

async function informerSelects() {
  const informer = makeInformer(config, path,
    () => core.listNamespacedConfigMap({ namespace: ns, labelSelector: 'in=yes' }), 'in=yes');
  const added = awaited('add of s');
  const gone = awaited('delete of s');
  informer.on('add', (object) => added.resolve(object.metadata.name));
  informer.on('delete', (object) => gone.resolve(object.metadata.name));
  await informer.start();
  await create('s', { in: 'no' });
  await change('s', { metadata: { labels: { in: 'yes' } } });
  assert.equal(await added.promise, 's');
  await change('s', { metadata: { labels: { in: 'no' } } });
  assert.equal(await gone.promise, 's');
  await informer.stop();
}

// Watches with the given query until the server ends it: [type, name].
async function watched(query) {
  const events = [];
  const ended = awaited('end of the watch');
  await new Watch(config).watch(path, query, (type, object) => {
    events.push([type, object.metadata.name ?? 'none']);
  }, ended.resolve);
  await ended.promise;
  return events;
}

async function watchResumes() {
  const list = await core.listNamespacedConfigMap({ namespace: ns });
  await create('w');
  await remove('w');
  const query = { resourceVersion: list.metadata.resourceVersion, timeoutSeconds: 1 };
  assert.deepEqual(await watched(query), [['ADDED', 'w'], ['DELETED', 'w']]);
}

async function watchListEndsItsStart() {
  const events = await watched({ sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan',
    allowWatchBookmarks: true, fieldSelector: 'metadata.name=before', timeoutSeconds: 1 });
  assert.deepEqual(events.slice(0, 2), [['ADDED', 'before'], ['BOOKMARK', 'none']]);
}

await run([informerFollows, informerSelects, watchResumes, watchListEndsItsStart]);
