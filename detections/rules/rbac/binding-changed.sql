/*---
id: binding-changed
title: A role binding was written or deleted
techniques: [E05, E02]
status: stable
severity: informational
confidence: high
attack: [T1098.006]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata, resources: [rolebindings, clusterrolebindings]}
window: 1d
entity: [user_name, impersonated_user_name, source_ip]
params:
  system_namespaces:
    default: [kube-system, kube-public, kube-node-lease, flux-system, argocd, cert-manager, gatekeeper-system, kyverno]
    why: Namespaces in which a binding is low rather than informational.
why: >-
  At level Metadata this is all that is left of a grant. With bodies, other rules say what was granted to whom; this
  one is the list to look things up in.
blind_spots: >-
  What was granted. Rights that come from a role that changes: see role-widened.
false_positives: >-
  It is no alarm by itself.
triage:
  - Which right, to whom? Later requests carry the name of the binding in decision_reason.
  - Was it expected from this identity?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN took_effect(verb, level, response_code, request_uri, request_object) AND NOT starts_with(verb, 'delete')
                 AND (resource = 'clusterrolebindings' OR list_contains($system_namespaces, namespace)) THEN 'low' END AS severity,
       did(user_name, impersonated_user_name, took_effect(verb, level, response_code, request_uri, request_object),
           CASE WHEN starts_with(verb, 'delete') THEN 'deleted' ELSE 'wrote' END, CASE WHEN starts_with(verb, 'delete') THEN 'delete' ELSE 'write' END)
           || CASE verb WHEN 'deletecollection' THEN 'all ' ELSE '' END || thing(resource, subresource, namespace, name)
           || outcome(took_effect(verb, level, response_code, request_uri, request_object), response_code, decision, response_message) AS detail
FROM requests
WHERE resource IN ('rolebindings', 'clusterrolebindings') AND api_group = 'rbac.authorization.k8s.io' AND subresource IS NULL
  AND verb IN ('create', 'update', 'patch', 'delete', 'deletecollection')
  AND NOT is_cleaning(verb, user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name)
  AND NOT (impersonated_user_name IS NULL AND is_control_plane(user_name, user_groups, source_ip))
