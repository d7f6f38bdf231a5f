/*---
id: service-account-writes-rbac
title: A service account changed roles or bindings
techniques: [E15]
status: stable
severity: informational
confidence: medium
attack: [T1098.006]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata}
window: 1d
entity: [user_name, source_ip]
why: >-
  Few programs hand out rights. A default account, which any pod may have, and a controller whose job is another, do not:
  that is a token in somebody else's hands.
blind_spots: >-
  A program that hands out rights every day, used for one more. Accounts of other names are informational; whether one
  never did it before is service-account-first-writes-rbac.
false_positives: >-
  GitOps tools and operators do it as their job, which is why they are informational.
triage:
  - Which program runs under this account, and does it hand out rights?
  - Did the request come from its pod (pod_name, source_ip)?
  - What was granted? Look at the binding or role.
---*/
WITH written AS (
    SELECT *, took_effect(verb, level, response_code, request_uri, request_object) AS applied
    FROM requests
    WHERE resource IN ('roles', 'clusterroles', 'rolebindings', 'clusterrolebindings') AND api_group = 'rbac.authorization.k8s.io' AND subresource IS NULL
      AND verb IN ('create', 'update', 'patch', 'delete', 'deletecollection')
      AND service_account_name IS NOT NULL AND impersonated_user_name IS NULL
      -- What the controllers do to roles is their job; nothing else is.
      AND NOT is_cleaning(verb, user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name)
      AND NOT (is_built_in_controller(service_account_namespace, service_account_name) AND service_account_name = 'clusterrole-aggregation-controller'
               AND resource = 'clusterroles' AND verb IN ('update', 'patch'))
)
SELECT cluster, event_id, request_received_at, user_name, source_ip,
       CASE WHEN NOT applied THEN 'low'
            WHEN service_account_name = 'default' OR is_built_in_controller(service_account_namespace, service_account_name) THEN 'high' END AS severity,
       did(user_name, NULL, applied, CASE WHEN starts_with(verb, 'delete') THEN 'deleted' ELSE 'wrote' END, CASE WHEN starts_with(verb, 'delete') THEN 'delete' ELSE 'write' END)
           || thing(resource, subresource, namespace, name) || outcome(applied, response_code, decision, response_message) AS detail
FROM written
