/*---
id: kubelet-reached-through-server
title: The kubelet was reached through the kube-apiserver
techniques: [C22, C23, N40]
status: stable
severity: high
confidence: medium
attack: [T1609, T1552]
threat_matrix: [MS-TA9030]
layer: cluster
control: detection
practice: cluster-components
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  nodes/proxy hands every request to the kubelet: run commands in any pod of the node, read logs, checkpoint
  memory to disk. A get is enough, and exec rules see nothing.
blind_spots: >-
  The kubelet's own port, which the audit log never sees.
false_positives: >-
  Monitoring that has not moved to nodes/metrics: it reads /metrics and /stats only.
triage:
  - "What was asked of the kubelet: the path says it."
  - Who has nodes/proxy, and why?
  - Take the right away; look at what ran on the node.
---*/
WITH reached AS (
    SELECT *, uri_path(request_uri) AS path,
           regexp_extract(uri_path(request_uri), '/proxy(/.*)$', 1) AS rest
    FROM requests
    WHERE resource = 'nodes' AND subresource IN ('proxy', 'log', 'checkpoint', 'configz', 'healthz', 'pods')
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT coalesce(succeeded(response_code), response_code IS NULL) THEN 'low'
            WHEN regexp_matches(rest, '^/(run|exec|attach|portForward|cri|checkpoint)(/|$)') OR (verb = 'create' AND subresource = 'proxy') OR subresource = 'checkpoint' THEN 'critical'
            WHEN regexp_matches(rest, '^/(metrics|stats|healthz)(/|$)') AND verb = 'get' THEN 'informational'
            WHEN subresource IN ('healthz', 'configz') THEN 'low' END AS severity,
       actor(user_name, impersonated_user_name) || ' asked the kubelet of ' || coalesce(name, '') || ' for ' || coalesce(nullif(rest, ''), path) || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM reached
WHERE NOT (impersonated_user_name IS NULL AND is_control_plane(user_name, user_groups, source_ip))
