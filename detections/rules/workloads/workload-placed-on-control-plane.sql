/*---
id: workload-placed-on-control-plane
title: A workload was placed where ordinary workloads do not run
techniques: [N36]
status: stable
severity: medium
confidence: medium
attack: [T1610]
layer: cluster
control: detection
practice: pod-security
needs: {level: Request, verbs: [create, update, patch], resources: [pods, deployments, daemonsets, statefulsets, jobs, cronjobs, replicasets]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Naming a node, or tolerating everything and asking for the control plane, puts a container beside etcd and the
  kube-apiserver's keys. Only the scheduler and add-ons do that.
blind_spots: >-
  Pods that never pass the kube-apiserver's audit log (static pods), and what an admission webhook adds where
  the level hides the stored object. Where nodes carry no taints, placement needs no help.
false_positives: >-
  DaemonSets of agents, which tolerate everything without asking for the control plane.
triage:
  - Which node did it go to?
  - Who wrote it, and does it mount anything of the node?
---*/
WITH specs AS (
    SELECT *, json_extract_string(pod_spec, '$.nodeName') AS node,
           list_concat(json_keys(pod_spec, '$.nodeSelector'),
               list_transform(list_filter(json_extract(pod_spec, '$.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[*].matchExpressions[*]'),
                                          lambda term: json_extract_string(term, '$.operator') IN ('In', 'Exists')),
                              lambda term: json_extract_string(term, '$.key'))) AS wanted,
           list_transform(list_filter(json_extract(pod_spec, '$.tolerations[*]'), lambda it: json_extract_string(it, '$.effect') IS DISTINCT FROM 'PreferNoSchedule'),
                          lambda it: coalesce(json_extract_string(it, '$.key'), '')) AS tolerated,
           coalesce(json_extract_string(pod_spec, '$.priorityClassName') IN ('system-cluster-critical', 'system-node-critical') AND namespace <> 'kube-system', false) AS critical
    FROM workloads
    WHERE authored AND regexp_matches(pod_spec, '"nodeName"|node-role.kubernetes.io|"Exists"|system-(cluster|node)-critical')
),
placed AS (
    SELECT *, coalesce(list_has_any(wanted, ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master']), false) AS asks,
           coalesce(list_has_any(tolerated, ['', 'node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master']), false) AS tolerates
    FROM specs
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low' WHEN NOT (asks AND tolerates OR (node IS NOT NULL AND resource = 'pods' AND tolerates)) THEN 'low' END AS severity,
       who || ' wrote ' || workload || concat_ws(',', CASE WHEN node IS NOT NULL THEN ' for the node ' || node END, CASE WHEN asks THEN ' for the control plane' END, CASE WHEN tolerates THEN ' tolerating its taint' END, CASE WHEN critical THEN ' with a system priority' END) || outcome_words AS detail
FROM placed
WHERE asks OR critical OR (node IS NOT NULL AND resource = 'pods' AND subresource IS NULL) OR (tolerates AND resource = 'pods' AND subresource IS NULL)
