/*---
id: service-account-created
title: A service account was created in a system namespace
techniques: [E19]
status: stable
severity: medium
confidence: medium
attack: [T1136, T1098]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata, resources: [serviceaccounts]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  system_namespaces:
    default: [kube-system, kube-public, kube-node-lease, default]
    why: Namespaces in which people do not put accounts.
why: >-
  An account of kube-system looks like a part of Kubernetes, and keeps working when the password of whoever made it
  is changed.
blind_spots: >-
  Using an account that is there; accounts in other namespaces are informational.
false_positives: >-
  Installing add-ons; by software it is low.
triage:
  - Which add-on does it belong to?
  - What was it bound to, and was a token made for it?
  - Delete it if nobody can say.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT took_effect(verb, level, response_code, request_uri, request_object) THEN 'informational'
            WHEN NOT list_contains($system_namespaces, namespace) THEN 'informational'
            WHEN impersonated_user_name IS NULL AND service_account_name IS NOT NULL THEN 'low' END AS severity,
       did(user_name, impersonated_user_name, took_effect(verb, level, response_code, request_uri, request_object), 'created', 'create')
           || 'service account ' || coalesce(namespace || '/', '') || coalesce(name, json_extract_string(response_object, '$.metadata.name'), '*')
           || outcome(took_effect(verb, level, response_code, request_uri, request_object), response_code, decision, response_message) AS detail
FROM requests
WHERE resource = 'serviceaccounts' AND subresource IS NULL AND (verb = 'create' OR (verb = 'patch' AND response_code = 201))
  AND NOT is_own_machinery(user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name)
