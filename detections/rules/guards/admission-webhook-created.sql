/*---
id: admission-webhook-created
title: An admission webhook was added
techniques: [F01]
status: stable
severity: medium
confidence: medium
attack: [T1546, T1556]
threat_matrix: [MS-TA9015]
layer: cluster
control: detection
practice: admission
needs: {level: Metadata, resources: [mutatingwebhookconfigurations, validatingwebhookconfigurations]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  An admission webhook is shown every object that its rules name before it is stored, and a mutating one may change
  it. One that asks for secrets, or that lies outside the cluster, reads credentials as they are written.
blind_spots: >-
  A webhook that was there before the log begins. A service in the cluster whose pods pass the objects on. Without
  bodies, where the webhook points to and what it asks for.
false_positives: >-
  Installing service meshes, certificate managers, policy engines and most operators.
triage:
  - Which software does it belong to, and was that installed at the same time by the same identity?
  - Where does it point to? A URL outside the cluster deserves an explanation.
  - Which resources does it see? Rotate secrets that were written since, if the answer is unclear.
---*/
WITH written AS (
    SELECT *, json_extract(document, '$.webhooks[*]') AS webhooks
    FROM guard_documents
    WHERE resource IN ('mutatingwebhookconfigurations', 'validatingwebhookconfigurations') AND (verb = 'create' OR response_code = 201)
),
judged AS (
    SELECT * EXCLUDE (webhooks),
           list_filter(list_transform(webhooks, lambda hook: json_extract_string(hook, '$.clientConfig.url')), lambda url: url IS NOT NULL) AS urls,
           list_distinct(flatten(list_transform(webhooks, lambda hook: json_extract_string(hook, '$.rules[*].resources[*]')))) AS resources
    FROM written
),
seen AS (
    SELECT *,
           -- Managed clusters run webhooks beside the kube-apiserver, on its own address.
           len(list_filter(urls, lambda url: NOT regexp_matches(url, '^https://(127\.0\.0\.1|\[::1\]|localhost)[:/]'))) > 0 AS outside
    FROM judged
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low'
            WHEN outside OR list_has_any(resources, ['secrets', 'serviceaccounts/token']) THEN 'high' END AS severity,
       CASE WHEN outside OR list_has_any(resources, ['secrets', 'serviceaccounts/token']) THEN 'high' ELSE 'medium' END AS confidence,
       did(user_name, impersonated_user_name, applied, 'created', 'create') || thing(resource, subresource, namespace, object_name)
           || ', which sees ' || coalesce(nullif(array_to_string(resources, ', '), ''), 'nothing yet')
           || CASE WHEN len(urls) > 0 THEN ' at ' || array_to_string(urls, ', ') ELSE '' END
           || outcome(applied, response_code, decision, response_message) AS detail
FROM seen
UNION ALL
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low' END AS severity, 'low' AS confidence,
       did(user_name, impersonated_user_name, applied, 'created', 'create') || thing(resource, subresource, namespace, name)
           || '; the log does not show what it sees' || outcome(applied, response_code, decision, response_message) AS detail
FROM guard_changes
WHERE resource IN ('mutatingwebhookconfigurations', 'validatingwebhookconfigurations') AND (verb = 'create' OR response_code = 201)
  AND request_object IS NULL
