/*---
id: secret-taken-by-mounting
title: A workload uses a secret that its namespace never used
techniques: [N34]
status: stable
severity: medium
confidence: medium
attack: [T1552.007, T1610]
threat_matrix: [MS-TA9025]
layer: cluster
control: detection
practice: secrets
needs: {level: Request, history: 7d, verbs: [create, update, patch]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Whoever may create pods reads every secret of the namespace by mounting it: the kubelet fetches it, and no
  read of a secret is ever logged for the author.
blind_spots: >-
  What was used before the log began. Needs seven days of log.
false_positives: >-
  New applications.
triage:
  - May the author read this secret?
  - What did the pod do with it?
---*/
WITH used AS (
    SELECT *, unnest(list_distinct(list_concat(
        json_extract_string(pod_spec, '$.volumes[*].secret.secretName'), json_extract_string(pod_spec, '$.volumes[*].projected.sources[*].secret.name'),
        json_extract_string(pod_spec, '$.*[*].env[*].valueFrom.secretKeyRef.name'), json_extract_string(pod_spec, '$.*[*].envFrom[*].secretRef.name')))) AS secret
    FROM workloads WHERE applied AND contains(pod_spec, '"secret')
),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY cluster, namespace, secret ORDER BY request_received_at, event_id) AS place,
           request_received_at - min(request_received_at) OVER (PARTITION BY cluster) AS known_for
    FROM used
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN resource <> 'pods' THEN 'low' END AS severity,
       who || ' wrote ' || workload || ', the first to use the secret ' || secret AS detail
FROM ranked WHERE place = 1 AND known_for >= INTERVAL 7 DAY
