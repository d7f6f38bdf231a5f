/*---
id: webhook-mutates-for-the-first-time
title: A webhook changed an object that it never changed before
techniques: [N22]
status: stable
severity: medium
confidence: medium
attack: [T1546, T1610]
threat_matrix: [MS-TA9015]
layer: cluster
control: detection
practice: admission
needs: {level: Metadata, history: 7d}
window: 1h
entity: [configuration, webhook]
why: >-
  A mutating webhook can put a container, a volume or a command into everything that is created. The log says
  at every level which webhook changed which request; the first change by one that was unknown is the moment
  to look.
blind_spots: >-
  A webhook that was there before the log began, and one that is changed to do more under its old name: the
  patch itself stands in the log only at level Request.
false_positives: >-
  A service mesh, a policy engine or a cloud add-on that was installed or upgraded.
triage:
  - Who created or changed the webhook's configuration, and when?
  - Which service or URL answers for it, and whose is it?
  - 'Compare a pod as it was asked for with the pod as it was stored: what was added?'
---*/
WITH mutated AS (
    SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip, verb, resource, subresource, namespace, name,
           response_code, annotations, unnest(json_keys(annotations)) AS key
    FROM requests
    WHERE verb IN ('create', 'update', 'patch') AND contains(annotations, 'mutation.webhook.admission.k8s.io/')
),
rounds AS (
    SELECT * EXCLUDE (annotations, key), json_extract_string(annotations, '$."' || key || '"') AS said
    FROM mutated
    WHERE starts_with(key, 'mutation.webhook.admission.k8s.io/')
),
changes AS (
    SELECT *, json_extract_string(said, '$.configuration') AS configuration, json_extract_string(said, '$.webhook') AS webhook
    FROM rounds
    WHERE json_extract_string(said, '$.mutated') = 'true'
),
numbered AS (
    SELECT *, row_number() OVER (PARTITION BY cluster, configuration, webhook, resource ORDER BY request_received_at, event_id) AS turn,
           count(*) OVER (PARTITION BY cluster, configuration, webhook ORDER BY request_received_at, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS earlier
    FROM changes
),
known AS (
    SELECT cluster, min(request_received_at) AS since FROM requests GROUP BY cluster
)
SELECT n.cluster, n.event_id, n.request_received_at, n.configuration, n.webhook,
       -- A known webhook that reaches for a new kind of object is a smaller step.
       CASE WHEN n.earlier > 0 THEN 'low' WHEN n.resource IN ('pods', 'secrets', 'clusterrolebindings', 'rolebindings') THEN 'high' END AS severity,
       'the webhook ' || n.webhook || ' of ' || n.configuration || ' changed what ' || actor(n.user_name, n.impersonated_user_name) || ' asked for: '
           || n.verb || ' ' || thing(n.resource, n.subresource, n.namespace, n.name) AS detail
FROM numbered AS n JOIN known AS k USING (cluster)
WHERE n.turn = 1 AND n.request_received_at - k.since >= INTERVAL 7 DAY
