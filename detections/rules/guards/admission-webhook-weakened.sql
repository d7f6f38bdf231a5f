/*---
id: admission-webhook-weakened
title: An admission webhook was made to decide less
techniques: [N20, F02]
status: stable
severity: high
confidence: medium
attack: [T1562.001, T1546]
threat_matrix: [MS-TA9015]
layer: cluster
control: detection
practice: admission
needs: {level: Metadata, resources: [mutatingwebhookconfigurations, validatingwebhookconfigurations]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  webhook_owners:
    default: [kyverno/kyverno-admission-controller, gatekeeper-system/gatekeeper-admin, istio-system/istiod, kubewarden/kubewarden-controller]
    why: Service accounts (namespace/name) that rewrite the rules of their own webhooks as their job; low from them.
why: >-
  A policy engine whose webhook is ignored when it fails, or that no longer sees a namespace or a resource, still looks
  healthy. Whoever cannot delete it unnoticed narrows it. A webhook that is pointed elsewhere hands over what it sees.
blind_spots: >-
  A whole replacement (PUT) of a webhook that the log has not shown before. Stopping the software behind it: see
  guard-workload-stopped and webhook-failed-open.
false_positives: >-
  Upgrades of the policy engine, exemptions that somebody agreed on. Renewed certificates (caBundle) are left out.
triage:
  - What passes now that did not before? The detail names the field.
  - Which objects were written since, and by whom?
  - Put the configuration back from where it is kept.
---*/
WITH changed AS (
    SELECT *, coalesce(merged, CASE WHEN form = 'object' THEN document END) AS after
    FROM guard_documents
    WHERE resource IN ('mutatingwebhookconfigurations', 'validatingwebhookconfigurations')
      AND verb IN ('update', 'patch') AND response_code IS DISTINCT FROM 201
),
-- With the object before and after: what differs. Else: what a patch sets.
entries AS (
    SELECT c.*, e.entry, before IS NOT NULL AND after IS NOT NULL AS known,
           list_filter(json_extract(before, '$.webhooks[*]'),
                       lambda old: json_extract_string(old, '$.name') = json_extract_string(e.entry, '$.name'))[1] AS old
    FROM changed AS c,
         unnest(json_extract(CASE WHEN before IS NOT NULL AND after IS NOT NULL THEN after ELSE document END, '$.webhooks[*]')) AS e(entry)
    WHERE (before IS NOT NULL AND after IS NOT NULL) OR form <> 'object'
),
compared AS (
    SELECT event_id, CASE
               WHEN json_extract_string(entry, '$.failurePolicy') = 'Ignore' AND coalesce(json_extract_string(old, '$.failurePolicy'), 'Fail') <> 'Ignore'
                   THEN 'its failure is ignored'
               WHEN TRY_CAST(json_extract_string(entry, '$.timeoutSeconds') AS INTEGER) <= 1 AND coalesce(TRY_CAST(json_extract_string(old, '$.timeoutSeconds') AS INTEGER), 10) > 1
                   THEN 'it has a second to answer'
               WHEN coalesce(json_extract_string(entry, '$.namespaceSelector'), '{}') NOT IN ('{}', coalesce(json_extract_string(old, '$.namespaceSelector'), '{}'))
                   THEN 'its namespaceSelector changed'
               WHEN coalesce(json_extract_string(entry, '$.objectSelector'), '{}') NOT IN ('{}', coalesce(json_extract_string(old, '$.objectSelector'), '{}'))
                   THEN 'its objectSelector changed'
               WHEN coalesce(json_extract_string(entry, '$.matchConditions'), '[]') NOT IN ('[]', coalesce(json_extract_string(old, '$.matchConditions'), '[]'))
                   THEN 'its matchConditions changed'
               WHEN coalesce(json_extract_string(entry, '$.clientConfig.url'), '') <> coalesce(json_extract_string(old, '$.clientConfig.url'), '')
                   THEN 'it points to ' || coalesce(json_extract_string(entry, '$.clientConfig.url'), 'a service')
               WHEN json_extract_string(entry, '$.clientConfig.service.name') IS NOT NULL
                    AND [json_extract_string(entry, '$.clientConfig.service.namespace'), json_extract_string(entry, '$.clientConfig.service.name')]
                        IS DISTINCT FROM [json_extract_string(old, '$.clientConfig.service.namespace'), json_extract_string(old, '$.clientConfig.service.name')]
                   THEN 'it points to another service'
               WHEN json_extract(entry, '$.rules') IS NOT NULL
                    AND [CAST(json_extract(entry, '$.rules[*].resources') AS VARCHAR), CAST(json_extract(entry, '$.rules[*].operations') AS VARCHAR)]
                        IS DISTINCT FROM [CAST(json_extract(old, '$.rules[*].resources') AS VARCHAR), CAST(json_extract(old, '$.rules[*].operations') AS VARCHAR)]
                   THEN 'its rules changed'
           END AS change
    FROM entries
    UNION ALL
    SELECT event_id, 'a webhook of it is gone' AS change
    FROM changed
    WHERE before IS NOT NULL AND after IS NOT NULL
      AND NOT list_has_all(list_transform(json_extract(after, '$.webhooks[*]'), lambda hook: json_extract_string(hook, '$.name')),
                           list_transform(json_extract(before, '$.webhooks[*]'), lambda hook: json_extract_string(hook, '$.name')))
    UNION ALL
    SELECT event_id, 'removed: ' || path AS change
    FROM json_patch_removals
    WHERE resource IN ('mutatingwebhookconfigurations', 'validatingwebhookconfigurations')
      AND regexp_full_match(path, '/webhooks(/[0-9]+(/rules.*)?)?')
    UNION ALL
    SELECT event_id, 'changed in a way that the log does not show' AS change
    FROM guard_changes
    WHERE resource IN ('mutatingwebhookconfigurations', 'validatingwebhookconfigurations') AND verb IN ('update', 'patch')
      AND response_code IS DISTINCT FROM 201 AND request_object IS NULL AND service_account_name IS NULL
)
SELECT g.cluster, g.event_id, g.request_received_at, g.user_name, g.impersonated_user_name, g.source_ip,
       CASE WHEN NOT applied OR request_object IS NULL
                 OR (impersonated_user_name IS NULL AND list_contains($webhook_owners, service_account_namespace || '/' || service_account_name))
            THEN 'low' END AS severity,
       CASE WHEN request_object IS NULL THEN 'low' END AS confidence,
       did(user_name, impersonated_user_name, applied, 'changed', 'change') || thing(resource, subresource, namespace, name) || ': ' || change
           || outcome(applied, response_code, decision, response_message) AS detail
FROM compared AS c JOIN guard_changes AS g ON g.event_id = c.event_id
WHERE change IS NOT NULL AND api_group = 'admissionregistration.k8s.io'
