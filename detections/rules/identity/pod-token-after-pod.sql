/*---
id: pod-token-after-pod
title: The token of a pod was used after the pod was gone
techniques: [N03]
status: stable
severity: high
confidence: high
attack: [T1550.001]
layer: cluster
control: detection
practice: rbac
needs: {level: Request, resources: [pods], verbs: [delete]}
window: 1h
entity: [user_name, pod_name, source_ip]
params:
  grace_seconds:
    default: 120
    why: How long after its pod a token may still be seen; the kube-apiserver remembers a good token for a moment.
why: >-
  A pod's token ends with its pod. Who still shows it holds a copy.
blind_spots: >-
  The kube-apiserver refuses such a token with 401, and a 401 names nobody: only what it lets pass (a request that began
  before, an authenticator that remembers too long) is seen here. See failed-authentication-burst for the rest.
false_positives: >-
  Clocks of several kube-apiservers that differ by minutes.
triage:
  - Where is the address, and what runs there?
  - What was done with the token before, while the pod lived?
  - Why was the pod deleted, and by whom?
---*/
WITH gone AS (
    SELECT cluster, json_extract_string(request_object, '$.preconditions.uid') AS pod_uid, min(request_received_at) AS gone_at
    FROM requests
    -- The last delete of a pod is its kubelet's, without grace.
    WHERE resource = 'pods' AND subresource IS NULL AND verb = 'delete' AND starts_with(user_name, 'system:node:') AND succeeded(response_code)
      AND is_node(user_name, user_groups) AND json_extract_string(request_object, '$.gracePeriodSeconds') = '0'
    GROUP BY ALL
)
SELECT r.cluster, r.event_id, r.request_received_at, r.user_name, r.pod_name, r.source_ip,
       r.user_name || ' used the token of pod ' || coalesce(r.pod_name, r.pod_uid) || ' '
           || (epoch(r.request_received_at - g.gone_at)::BIGINT) || ' s after it was gone' AS detail
FROM gone AS g
JOIN requests AS r ON r.cluster = g.cluster AND r.pod_uid = g.pod_uid
WHERE r.request_received_at > g.gone_at + to_seconds($grace_seconds)
