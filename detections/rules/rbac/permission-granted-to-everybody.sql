/*---
id: permission-granted-to-everybody
title: A right was granted to everybody
techniques: [E03, E04]
status: stable
severity: critical
confidence: high
attack: [T1098.006, T1190]
threat_matrix: [MS-TA9005]
layer: cluster
control: detection
practice: rbac
needs: {level: Request, resources: [clusterrolebindings, rolebindings]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  A binding to system:anonymous or system:unauthenticated opens the cluster to whoever reaches it; one to
  system:authenticated to every holder of any account; one to system:serviceaccounts or to a default service
  account to every pod.
blind_spots: >-
  Groups that the identity provider gives to everybody, whose names only the operator knows.
false_positives: >-
  The kube-apiserver's own bootstrap bindings are left out by the identity that writes them, and kubeadm's
  binding for cluster-info by what it grants.
triage:
  - Remove the binding.
  - Which requests did it allow since? Their decision_reason names it.
  - Was it a person, and was it meant? Ask by another channel.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low'
            WHEN subject_name IN ('system:anonymous', 'system:unauthenticated') THEN 'critical'
            ELSE 'high' END AS severity,
       actor(user_name, impersonated_user_name) || CASE WHEN applied THEN ' granted ' ELSE ' tried to grant ' END || coalesce(role_name, 'a role') || ' to '
           || coalesce(subject_namespace || '/', '') || subject_name || coalesce(' in ' || namespace, ' in the whole cluster') || ' by ' || coalesce(object_name, '') AS detail
FROM rbac_subjects
WHERE (subject_name IN ('system:anonymous', 'system:unauthenticated', 'system:authenticated', 'system:serviceaccounts')
       OR (coalesce(subject_kind, 'ServiceAccount') = 'ServiceAccount' AND subject_name = 'default'
           AND coalesce(role_name, '') IN ('cluster-admin', 'admin', 'edit')))
  AND (impersonated_user_name IS NOT NULL OR NOT is_control_plane(user_name, user_groups, source_ip))
  -- kubeadm join reads the cluster's address and CA before it has any credential.
  AND NOT (resource = 'rolebindings' AND namespace = 'kube-public' AND role_name = 'kubeadm:bootstrap-signer-clusterinfo' AND subject_name = 'system:anonymous')
