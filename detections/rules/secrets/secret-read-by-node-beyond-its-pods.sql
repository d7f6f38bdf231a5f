/*---
id: secret-read-by-node-beyond-its-pods
title: A node asked for secrets that are none of its business
techniques: [B09]
status: stable
severity: high
confidence: high
attack: [T1552.007, T1078]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: secrets
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  A kubelet reads the secrets of the pods it runs, one by one. A list, or a refused read, is the kubelet's
  credential in other hands.
blind_spots: >-
  Reads of secrets that pods of the node do use.
false_positives: >-
  A pod deleted a moment ago: single refused reads.
triage:
  - Take the node out and rotate its certificate.
  - What else did this node's identity do?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN verb = 'get' AND refusals < 3 THEN 'medium' END AS severity,
       user_name || ' ' || verb || ' secret ' || coalesce(namespace || '/', '') || coalesce(name, '*') || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM (SELECT *, count(DISTINCT (namespace, name)) FILTER (response_code = 403) OVER (PARTITION BY cluster, user_name ORDER BY request_received_at RANGE BETWEEN INTERVAL 10 MINUTE PRECEDING AND INTERVAL 10 MINUTE FOLLOWING) AS refusals
      FROM requests WHERE resource = 'secrets' AND verb IN ('get', 'list', 'watch', 'create', 'update', 'patch', 'delete') AND starts_with(user_name, 'system:node:'))
-- A watch of one name is the kubelet's own way to follow the secrets of its pods.
WHERE verb NOT IN ('get', 'watch') AND NOT (verb = 'list' AND name IS NOT NULL) OR response_code = 403 OR (verb = 'watch' AND name IS NULL AND NOT contains(request_uri, 'fieldSelector'))
