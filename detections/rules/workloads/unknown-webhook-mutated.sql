/*---
id: unknown-webhook-mutated
title: A webhook never seen before changed objects on their way in
techniques: [N22]
status: stable
severity: medium
confidence: medium
attack: [T1546, T1610]
threat_matrix: [MS-TA9015]
layer: cluster
control: detection
practice: admission
needs: {verbs: [create, update, patch], history: 7d}
window: 1h
entity: [configuration, webhook]
why: >-
  A mutating webhook sees and rewrites what everybody creates. The kube-apiserver says in the audit log, at
  every level, which webhook changed something.
blind_spots: >-
  Webhooks that were at work before the log began.
false_positives: >-
  A service mesh or a policy engine newly installed.
triage:
  - Who installed the webhook (mutatingwebhookconfigurations in the timeline)?
  - Where does it lead, and what does it add?
---*/
WITH mutated AS (
    SELECT cluster, event_id, request_received_at, resource, namespace, name, annotations,
           json_extract_string(annotations, '$."mutation.webhook.admission.k8s.io/round_0_index_0"') AS told
    FROM requests
    WHERE verb IN ('create', 'update', 'patch') AND contains(annotations, 'mutation.webhook.admission.k8s.io/')
),
webhooks AS (
    SELECT *, json_extract_string(told, '$.configuration') AS configuration, json_extract_string(told, '$.webhook') AS webhook
    FROM mutated WHERE json_extract_string(told, '$.mutated') = 'true'
),
known AS (SELECT cluster, min(request_received_at) AS since FROM requests GROUP BY cluster)
SELECT w.cluster, arg_min(w.event_id, (w.request_received_at, w.event_id)) AS event_id, min(w.request_received_at) AS request_received_at, configuration, webhook,
       'the webhook ' || webhook || ' of ' || configuration || ' changed ' || arg_min(resource || ' ' || coalesce(namespace || '/', '') || coalesce(name, ''), (w.request_received_at, w.event_id)) || ' for the first time' AS detail
FROM webhooks AS w JOIN known AS k ON k.cluster = w.cluster
GROUP BY w.cluster, configuration, webhook, k.since
HAVING min(w.request_received_at) - k.since >= INTERVAL 7 DAY
