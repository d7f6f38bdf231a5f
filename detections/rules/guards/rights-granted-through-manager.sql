/*---
id: rights-granted-through-manager
title: Somebody had a tool write role bindings
techniques: [E05, E06]
status: stable
severity: low
confidence: medium
attack: [T1098.006]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  powerful_roles:
    default: [cluster-admin, admin, cluster-owner, project-owner, owner, restricted-admin]
    why: Roles, in the words of Kubernetes, Rancher and Capsule, whose grant is high.
why: >-
  rbac-manager, Capsule, Hierarchical Namespaces and Rancher turn an object of theirs into role bindings, which then
  stand in the log as the tool's own doing. The person who granted the right is the one who wrote the object.
blind_spots: >-
  Tools that keep who may do what outside the cluster. Roles of other names with the same rights.
false_positives: >-
  It is how rights are given where such a tool is in use; a powerful role is worth a look all the same.
triage:
  - Who got which right, and did the writer have it?
  - Which bindings did the tool write in the same minute?
---*/
WITH grants AS (
    SELECT *, CAST(request_object AS VARCHAR) AS body,
           len(list_filter($powerful_roles, lambda role: contains(request_object, '"' || role || '"'))) > 0 AS powerful
    FROM guard_changes
    WHERE guard = 'rights' AND verb IN ('create', 'update', 'patch')
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN applied AND powerful AND (service_account_name IS NULL OR impersonated_user_name IS NOT NULL) THEN 'high' END AS severity,
       did(user_name, impersonated_user_name, applied, 'wrote', 'write') || thing(resource, subresource, namespace, name) || ' (' || tool || ')'
           || CASE WHEN powerful THEN ', which names ' || array_to_string(list_filter($powerful_roles, lambda role: contains(body, '"' || role || '"')), ', ') ELSE '' END
           || outcome(applied, response_code, decision, response_message) AS detail
FROM grants
WHERE powerful OR service_account_name IS NULL OR impersonated_user_name IS NOT NULL
