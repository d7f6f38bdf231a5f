/*---
id: self-granted-right
title: Somebody granted a right to themselves
techniques: [N15]
status: stable
severity: critical
confidence: high
attack: [T1098.006]
threat_matrix: [MS-TA9019]
layer: cluster
control: detection
practice: rbac
needs: {level: Request, resources: [clusterrolebindings, rolebindings]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Who can already do something needs no binding for it; a binding to oneself, to one's own group or service
  account widens one's own rights, which takes escalate, bind or cluster-admin.
blind_spots: >-
  A grant to a second identity that the same person holds. A small role for a whole group that the granter
  happens to be in is low: that is how teams get their rights.
false_positives: >-
  Namespace provisioners that bind whoever asked for a namespace, under that person's own name.
triage:
  - What did the identity gain?
  - What did it do with it since?
  - Delete the binding and look at how it could make it.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN coalesce(role_name, '') NOT IN ('cluster-admin', 'admin', 'edit') AND resource = 'rolebindings' AND subject_kind = 'Group' THEN 'low'
            WHEN NOT applied THEN 'medium'
            WHEN coalesce(role_name, '') NOT IN ('cluster-admin', 'admin', 'edit') AND resource = 'rolebindings' THEN 'high' END AS severity,
       actor(user_name, impersonated_user_name) || CASE WHEN applied THEN ' granted ' ELSE ' tried to grant ' END || coalesce(role_name, 'a role')
           || ' to ' || coalesce(subject_kind || ' ', '') || coalesce(subject_namespace || '/', '') || subject_name || ', which is itself or its group' AS detail
FROM rbac_subjects
WHERE (
    (coalesce(subject_kind, 'User') = 'User' AND subject_name IN (user_name, impersonated_user_name))
    OR (coalesce(subject_kind, 'ServiceAccount') = 'ServiceAccount' AND subject_name = service_account_name
        AND coalesce(subject_namespace, namespace) = service_account_namespace)
    OR (subject_kind = 'Group' AND subject_name NOT IN ('system:masters', 'system:authenticated')
        AND list_contains(list_concat(coalesce(user_groups, []), coalesce(impersonated_user_groups, [])), subject_name)
        AND subject_name <> 'system:serviceaccounts')
)
  AND (impersonated_user_name IS NOT NULL OR NOT is_control_plane(user_name, user_groups, source_ip))
