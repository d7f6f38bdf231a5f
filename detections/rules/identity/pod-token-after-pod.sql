/*---
id: pod-token-after-pod
title: The token of a pod was used after the pod was gone
techniques: [N03]
status: stable
severity: high
confidence: medium
attack: [T1550.001]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata, resources: [pods], verbs: [delete]}
window: 1h
entity: [user_name, pod_name, source_ip]
params:
  grace_seconds:
    default: 120
    why: How long after its pod a token may still be seen; the kube-apiserver remembers a good token for a moment.
why: >-
  A pod's token ends with its pod. Who still shows it holds a copy.
blind_spots: >-
  The kube-apiserver refuses such a token with 401, and a 401 names nobody: only what it lets pass (an authenticator that remembers
  too long) is seen here. See failed-authentication-burst for the rest. A pod that was made again under the same name, as those of a
  StatefulSet are, is not judged.
false_positives: >-
  Clocks of several kube-apiservers that differ by minutes.
triage:
  - Where is the address, and what runs there?
  - What was done with the token before, while the pod lived?
  - Why was the pod deleted, and by whom?
---*/
WITH used AS (
    SELECT cluster, service_account_namespace AS namespace, pod_name, pod_uid, max(last_at) AS last_at
    FROM appearances WHERE pod_uid IS NOT NULL GROUP BY ALL
),
ends AS (
    SELECT cluster, namespace, name,
           -- Whoever deletes a pod begins its end; its kubelet's delete is the last.
           max(request_received_at) FILTER (verb = 'delete') AS gone_at, max(request_received_at) FILTER (verb = 'create') AS made_at
    FROM requests
    WHERE resource = 'pods' AND subresource IS NULL AND verb IN ('create', 'delete') AND succeeded(response_code)
      AND (verb = 'create' OR is_node(user_name, user_groups)) AND (cluster, namespace, name) IN (SELECT (cluster, namespace, pod_name) FROM used)
    GROUP BY ALL
),
late AS (
    SELECT u.cluster, u.pod_uid, e.gone_at
    FROM used AS u JOIN ends AS e ON e.cluster = u.cluster AND e.namespace = u.namespace AND e.name = u.pod_name
    WHERE u.last_at > e.gone_at + to_seconds($grace_seconds) AND coalesce(e.made_at < e.gone_at, true)
)
SELECT r.cluster, r.event_id, r.request_received_at, r.user_name, r.pod_name, r.source_ip,
       r.user_name || ' used the token of pod ' || coalesce(r.pod_name, r.pod_uid) || ' '
           || (epoch(r.request_received_at - l.gone_at)::BIGINT) || ' s after it was gone' AS detail
FROM late AS l
JOIN requests AS r ON r.cluster = l.cluster AND r.pod_uid = l.pod_uid
WHERE r.request_received_at > l.gone_at + to_seconds($grace_seconds)
