/*---
id: attack-sequence
title: One identity went through several stages of an attack
techniques: [F14, N30]
status: stable
severity: high
confidence: medium
attack: [T1552.007, T1098.006, T1610]
layer: cluster
control: detection
practice: cluster-components
needs: {level: Metadata}
window: 1d
entity: [user_name]
params:
  least_stages:
    default: 4
    why: Different stages of the six within a day before and after.
why: >-
  Looking around, reading secrets, making rights or credentials, entering pods, blinding what watches, destroying: each
  happens in ordinary work. One identity that does most of them within a day is an attacker, or should be asked.
blind_spots: >-
  An attacker who changes the identity between stages, or takes longer than a day.
false_positives: >-
  Setting a cluster up, penetration tests, and administrators on a very long day.
triage:
  - Read the evidence in order; it holds the first request of each stage in each hour.
  - Is it one person? Compare source addresses, agents and credential_id within the day.
  - Take the credential away first if it is not clear.
---*/
WITH steps AS (
    -- Two looks, each at few files, instead of one at all.
    SELECT cluster, event_id, request_received_at, user_name, 'looking around' AS stage, concat_ws(' ', verb, resource, subresource, namespace, name) AS what, false AS everywhere
    FROM requests
    WHERE response_code = 403 AND decision = 'forbid' AND user_name IS NOT NULL
      AND NOT is_anonymous(user_name, user_groups)
      AND NOT ((impersonated_user_name IS NULL AND is_node(user_name, user_groups))
               OR is_own_machinery(user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name))
    UNION ALL
    SELECT cluster, event_id, request_received_at, user_name,
           CASE
               WHEN resource = 'selfsubjectrulesreviews' THEN 'looking around'
               WHEN resource = 'secrets' THEN 'reading secrets'
               WHEN resource IN ('pods', 'nodes') THEN 'entering pods'
               WHEN resource IN ('namespaces', 'persistentvolumeclaims', 'persistentvolumes') THEN 'destroying'
               WHEN verb IN ('delete', 'deletecollection') THEN 'blinding'
               ELSE 'making rights'
           END AS stage,
           CASE WHEN resource = 'secrets' AND (namespace IS NULL OR verb IN ('list', 'watch')) THEN verb || ' ' || coalesce(namespace, 'everywhere')
                ELSE concat_ws(' ', verb, resource, subresource, namespace, name) END AS what,
           resource = 'secrets' AND namespace IS NULL AS everywhere
    FROM requests
    WHERE resource IN ('secrets', 'selfsubjectrulesreviews', 'serviceaccounts', 'clusterrolebindings', 'rolebindings', 'clusterroles', 'certificatesigningrequests',
                       'pods', 'nodes', 'events', 'mutatingwebhookconfigurations', 'validatingwebhookconfigurations', 'validatingadmissionpolicies',
                       'validatingadmissionpolicybindings', 'networkpolicies', 'namespaces', 'persistentvolumeclaims', 'persistentvolumes')
      AND ((resource = 'secrets' AND verb IN ('get', 'list', 'watch'))
           OR (resource = 'selfsubjectrulesreviews' AND verb = 'create')
           OR (resource = 'serviceaccounts' AND subresource = 'token' AND verb = 'create')
           OR (resource IN ('clusterrolebindings', 'rolebindings', 'clusterroles') AND verb IN ('create', 'update', 'patch'))
           OR (resource = 'certificatesigningrequests' AND subresource = 'approval')
           OR (resource = 'pods' AND subresource IN ('exec', 'attach', 'portforward', 'proxy', 'ephemeralcontainers'))
           OR (resource = 'nodes' AND subresource = 'proxy')
           OR (verb IN ('delete', 'deletecollection') AND resource NOT IN ('secrets', 'serviceaccounts', 'clusterrolebindings', 'rolebindings', 'clusterroles', 'pods', 'nodes',
                                                                           'certificatesigningrequests', 'selfsubjectrulesreviews')))
      AND succeeded(response_code) AND user_name IS NOT NULL AND NOT is_anonymous(user_name, user_groups)
      AND NOT (impersonated_user_name IS NULL AND is_node(user_name, user_groups))
      AND NOT is_own_machinery(user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name)
),
hours AS (
    SELECT cluster, user_name, stage, time_bucket(INTERVAL 1 HOUR, request_received_at) AS hour, min(request_received_at) AS first_at,
           arg_min(event_id, request_received_at) AS event_id, arg_min(what, request_received_at) AS what, count(DISTINCT what) AS different, bool_or(everywhere) AS everywhere
    FROM steps
    GROUP BY ALL
),
-- One refusal, one secret, are nothing.
stages AS (
    SELECT *, count(DISTINCT stage) OVER near AS stages, bool_or(stage IN ('blinding', 'destroying')) OVER near AS hides
    FROM hours
    WHERE stage NOT IN ('looking around', 'reading secrets') OR different >= 5 OR (stage = 'reading secrets' AND everywhere)
    WINDOW near AS (PARTITION BY cluster, user_name ORDER BY first_at RANGE BETWEEN INTERVAL 24 HOURS PRECEDING AND INTERVAL 24 HOURS FOLLOWING)
)
SELECT cluster, event_id, first_at AS request_received_at, user_name,
       CASE WHEN stages >= 5 AND hides THEN 'critical' END AS severity,
       stage || ': ' || what || CASE WHEN different > 1 THEN ' and ' || (different - 1) || ' more' ELSE '' END AS detail
FROM stages
WHERE stages >= $least_stages
