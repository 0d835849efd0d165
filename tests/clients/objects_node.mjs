// @kubernetes/client-node: objects, every patch, apply, the object API over discovery, errors.
import assert from 'node:assert/strict';
import { AppsV1Api, AuthorizationV1Api, CoreV1Api, KubernetesObjectApi, PatchStrategy, VersionApi,
  setHeaderOptions } from '@kubernetes/client-node';
import { config, ns, refused, run } from './checks.mjs';

const core = config.makeApiClient(CoreV1Api);
const apps = config.makeApiClient(AppsV1Api);
const objects = KubernetesObjectApi.makeApiClient(config);
const as = (type) => setHeaderOptions('Content-Type', type);
const container = { name: 'main', image: 'busybox:1' };
const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'd', namespace: ns },
  spec: {
    replicas: 0,
    selector: { matchLabels: { app: 'd' } },
    template: { metadata: { labels: { app: 'd' } }, spec: { containers: [container] } },
  },
};

const map = (name, data, labels) => ({ namespace: ns, body: { metadata: { name, labels }, data } });

async function versionIsTheServers() {
  const version = await config.makeApiClient(VersionApi).getCode();
  assert.match(version.gitVersion, /^v1\.32\./);
}

async function createReadReplaceDelete() {
  const made = await core.createNamespacedConfigMap(map('c', { a: '1' }));
  assert.ok(made.metadata.creationTimestamp instanceof Date);
  made.data.b = '2';
  const changed = await core.replaceNamespacedConfigMap({ name: 'c', namespace: ns, body: made });
  assert.deepEqual(changed.data, { a: '1', b: '2' });
  const status = await core.deleteNamespacedConfigMap({ name: 'c', namespace: ns });
  assert.deepEqual([status.status, status.details.name], ['Success', 'c']);
}

async function everyPatch() {
  await objects.create(deployment);
  const where = { name: 'd', namespace: ns };
  const json = [{ op: 'add', path: '/metadata/labels', value: { by: 'json' } }];
  let got = await apps.patchNamespacedDeployment({ ...where, body: json }, as(PatchStrategy.JsonPatch));
  assert.equal(got.metadata.labels.by, 'json');
  const side = { spec: { template: { spec: { containers: [{ name: 'side', image: 'busybox:1' }] } } } };
  got = await apps.patchNamespacedDeployment({ ...where, body: side }, as(PatchStrategy.StrategicMergePatch));
  assert.equal(got.spec.template.spec.containers.length, 2);
  got = await apps.patchNamespacedDeployment({ ...where, body: side }, as(PatchStrategy.MergePatch));
  assert.deepEqual(got.spec.template.spec.containers.map((c) => c.name), ['side']);
  const scale = await apps.readNamespacedDeploymentScale(where);
  assert.equal(scale.spec.replicas ?? 0, 0); // A zero is left out.
  got = await objects.patch({ ...deployment, metadata: { ...deployment.metadata, labels: { by: 'object' } } },
    undefined, undefined, undefined, undefined, PatchStrategy.MergePatch);
  assert.equal(got.metadata.labels.by, 'object');
}

async function serverSideApply() {
  const body = (data) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data });
  const apply = (fieldManager, data, force) => core.patchNamespacedConfigMap(
    { name: 'a', namespace: ns, fieldManager, force, body: body(data) }, as(PatchStrategy.ServerSideApply));
  const first = await apply('one', { a: '1', b: '2' });
  assert.deepEqual(first.metadata.managedFields.map((m) => [m.manager, m.operation]), [['one', 'Apply']]);
  const status = await refused(409, 'Conflict', () => apply('two', { a: '5' }));
  assert.equal(status.message, 'Apply failed with 1 conflict: conflict with "one": .data.a');
  assert.deepEqual(status.details.causes.map((c) => [c.reason, c.field]), [['FieldManagerConflict', '.data.a']]);
  assert.deepEqual((await apply('two', { a: '5' }, true)).data, { a: '5', b: '2' });
  assert.deepEqual((await apply('one', {})).data, { a: '5' });
}

async function listsPagesAndSelectors() {
  for (let n = 0; n < 5; n += 1) {
    await core.createNamespacedConfigMap(map(`p${n}`, { n: `${n}` }, { page: n % 2 ? 'odd' : 'even' }));
  }
  const seen = [];
  let page = { metadata: {} };
  do {
    page = await core.listNamespacedConfigMap(
      { namespace: ns, limit: 2, labelSelector: 'page', _continue: page.metadata._continue });
    seen.push(...page.items.map((item) => item.metadata.name));
  } while (page.metadata._continue);
  assert.deepEqual(seen, ['p0', 'p1', 'p2', 'p3', 'p4']);
  const odd = await core.listNamespacedConfigMap({ namespace: ns, labelSelector: 'page=odd' });
  assert.equal(odd.items.length, 2);
  const listed = await objects.list('v1', 'ConfigMap', ns, undefined, undefined, undefined, 'metadata.name=p3');
  assert.deepEqual(listed.items.map((item) => item.data.n), ['3']);
  await core.deleteCollectionNamespacedConfigMap({ namespace: ns, labelSelector: 'page' });
}

async function errorsAreStatuses() {
  const status = await refused(404, 'NotFound', () => core.readNamespacedPod({ name: 'nope', namespace: ns }));
  assert.deepEqual(status.details, { name: 'nope', kind: 'pods' });
  const invalid = await refused(422, 'Invalid', () => core.createNamespacedConfigMap(map('Not_A_Name')));
  assert.equal(invalid.details.causes[0].field, 'metadata.name');
  await refused(404, 'NotFound', () => core.createNamespacedConfigMap({ namespace: 'nope', body: { metadata: { name: 'x' } } }));
}

async function reviews() {
  const body = { spec: { resourceAttributes: { verb: 'delete', group: 'apps', resource: 'deployments' } } };
  const review = await config.makeApiClient(AuthorizationV1Api).createSelfSubjectAccessReview({ body });
  assert.equal(review.status.allowed, true);
}

await run([versionIsTheServers, createReadReplaceDelete, everyPatch, serverSideApply,
  listsPagesAndSelectors, errorsAreStatuses, reviews]);
