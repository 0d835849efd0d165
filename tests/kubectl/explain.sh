# What kubectl reads of the API: explain from both OpenAPI documents, lists of kinds and versions.
has "$(k explain pod)" 'spec	<PodSpec>'
has "$(k explain pod.spec.containers.livenessProbe.httpGet.port)" '<IntOrString>'
has "$(k explain deployment.spec.strategy.rollingUpdate)" 'maxSurge	<IntOrString>'
has "$(k explain service.spec.ports --recursive)" 'targetPort	<IntOrString>'
has "$(k explain ingress --api-version=networking.k8s.io/v1)" 'VERSION: *v1'
has "$(k explain cronjob.spec --output=plaintext-openapiv2)" 'schedule	<string> -required-'
has "$(k explain pod.spec.tolerations --output=plaintext-openapiv2)" 'tolerationSeconds	<integer>'
fails k explain pod.spec.nothing
# Every field has a sentence in the project's own words, at each depth and in both documents.
probe=$(k explain pod.spec.containers.livenessProbe)
has "$probe" 'Restarts the container when it fails.'
has "$probe" 'Failures in a row until it counts as bad.'
lacks "$probe" '<no description>'
has "$(k explain pod.spec.containers.livenessProbe --recursive)" 'periodSeconds	<integer>'
has "$(k explain pod.spec.containers.livenessProbe --output=plaintext-openapiv2)" 'Seconds from one question'
for path in pod.spec pod.status deployment.spec statefulset.spec daemonset.status job.spec \
  cronjob.spec service.spec configmap secret ingress.spec.rules.http.paths pvc.spec pv.spec \
  pod.spec.volumes pod.spec.affinity.podAntiAffinity hpa.spec.behavior.scaleUp networkpolicy.spec \
  node.status endpointslices.endpoints role.rules quota.spec limits.spec.limits pdb.spec lease.spec \
  event storageclass.volumeBindingMode serviceaccount pod.metadata.ownerReferences; do
  lacks "$(k explain $path)" '<no description>'
done
has "$(k api-resources --verbs=list -o name)" '^deployments.apps$'
has "$(k api-versions)" '^batch/v1$'
# Client-side validation reads v3.
has "$(k -n "$ns" apply --validate=true -f - 2>&1 <<'YAML' || true
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
date: {a: b}
YAML
)" 'unknown field "date"'

# A document that is known isn't sent again; the hash in its URL makes it good for ever.
raw() { inside curl -s --max-time 10 --cacert "$work/ca.crt" -H "Authorization: Bearer $token" "$@"; }
token=$(cat "$work/data/server/tls/admin.token")
k get configmap kube-root-ca.crt -o jsonpath='{.data.ca\.crt}' >"$work/ca.crt"
server=https://$node_ip:6443
for path in /openapi/v2 /openapi/v3 /openapi/v3/apis/apps/v1 /apis; do
  accept='Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json'
  etag=$(raw -o /dev/null -D - -H "$accept" "$server$path" | sed -n 's/^[Ee][Tt]ag: \(.*\)\r$/\1/p')
  has "$etag" '^"[0-9A-F]*"$'
  same "$(raw -o /dev/null -w '%{http_code}' -H "$accept" -H "If-None-Match: $etag" "$server$path")" 304
done
url=$(raw $server/openapi/v3 | jq -r '.paths["api/v1"].serverRelativeURL')
has "$(raw -o /dev/null -D - "$server$url")" 'immutable'
same "$(raw -o /dev/null -w '%{http_code}' "$server/openapi/v3/api/v1?hash=0")" 301
same "$(raw -o /dev/null -w '%{http_code}' -H 'Accept: text/html' "$server/openapi/v2")" 406
same "$(raw --compressed $server/openapi/v2 | jq -r '.definitions["io.k8s.api.core.v1.Pod"]["x-kubernetes-group-version-kind"][0].kind')" Pod
