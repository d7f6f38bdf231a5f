/*---
id: admin-role-bound
title: Somebody was made administrator
techniques: [E01, E02, E04, E06]
status: stable
severity: high
confidence: high
attack: [T1098.006, T1078]
threat_matrix: [MS-TA9019]
layer: cluster
control: detection
practice: rbac
needs: {level: Request, resources: [clusterrolebindings, rolebindings]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  system_namespaces:
    default: [kube-system, kube-public, kube-node-lease, flux-system, argocd, cert-manager, gatekeeper-system, kyverno]
    why: Namespaces in which admin or edit is enough to take the cluster.
why: >-
  Who is bound to cluster-admin owns the cluster; who is bound to admin or edit in a system namespace soon
  does. The grant survives the session that made it.
blind_spots: >-
  Roles of another name that allow the same (see wildcard-role-written). A JSON patch that adds a subject
  names no role: it is judged when the log also shows the binding whole.
false_positives: >-
  Installing software that asks for cluster-admin; setting up a cluster. Look at who did it and from where.
triage:
  - Was it agreed on? Ask whoever made it, by another channel.
  - What did the new administrator do since?
  - Delete the binding if nobody can say what it is for.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low'
            WHEN resource = 'clusterrolebindings' AND role_name = 'cluster-admin' THEN 'critical'
            END AS severity,
       actor(user_name, impersonated_user_name) || CASE WHEN applied THEN ' bound ' ELSE ' tried to bind ' END || coalesce(subject_kind || ' ', '')
           || coalesce(subject_namespace || '/', '') || coalesce(subject_name, 'somebody') || ' to ' || role_name || ' by '
           || CASE resource WHEN 'clusterrolebindings' THEN 'ClusterRoleBinding ' ELSE 'RoleBinding ' || coalesce(namespace, '') || '/' END
           || coalesce(object_name, '') AS detail
FROM rbac_subjects
WHERE ((resource = 'clusterrolebindings' AND role_name IN ('cluster-admin', 'admin', 'edit', 'system:masters', 'system:kube-controller-manager', 'system:node'))
       OR (resource = 'rolebindings' AND role_name = 'cluster-admin')
       OR (resource = 'rolebindings' AND role_name IN ('admin', 'edit') AND list_contains($system_namespaces, namespace)))
  AND (impersonated_user_name IS NOT NULL OR NOT is_control_plane(user_name, user_groups, source_ip))
  AND NOT (is_built_in_controller(service_account_namespace, service_account_name) AND service_account_name = 'clusterrole-aggregation-controller')
