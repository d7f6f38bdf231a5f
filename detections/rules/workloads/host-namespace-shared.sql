/*---
id: host-namespace-shared
title: A workload shares namespaces with its node
techniques: [D03, D04, D05]
status: stable
severity: high
confidence: high
attack: [T1611, T1557]
threat_matrix: [MS-TA9018]
layer: container
control: prevention
practice: pod-security
needs: {level: Request, verbs: [create, update, patch], resources: [pods, deployments, daemonsets, statefulsets, jobs, cronjobs, replicasets]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  hostPID sees and signals every process of the node, hostIPC reads their shared memory, hostNetwork listens to
  the node's traffic and reaches what trusts the node's address.
blind_spots: >-
  Pods that never pass the kube-apiserver's audit log (static pods), and what an admission webhook adds where
  the level hides the stored object.
false_positives: >-
  Network, storage and monitoring agents, and tools that debug nodes. Find the person who installed them and the
  change that asked for it.
triage:
  - Who wrote it, and was it agreed on?
  - What else did this identity write, and did a pod of it run (timeline of the namespace)?
  - Delete the workload; treat its node as taken until shown otherwise.
---*/
WITH shared AS (
    SELECT *, json_extract_string(pod_spec, '$.hostPID') = 'true' AS pid, json_extract_string(pod_spec, '$.hostIPC') = 'true' AS ipc,
           json_extract_string(pod_spec, '$.hostNetwork') = 'true' AS network,
           list_has_any(json_extract_string(pod_spec, '$.*[*].securityContext.privileged'), ['true'])
               OR list_has_any(json_extract_string(pod_spec, '$.*[*].securityContext.capabilities.add[*]'), ['SYS_PTRACE', 'CAP_SYS_PTRACE', 'SYS_ADMIN', 'CAP_SYS_ADMIN', 'ALL'])
               OR regexp_matches(pod_spec, 'nsenter|/proc/1/') AS powerful
    FROM workloads
    WHERE contains(pod_spec, '"hostPID":true') OR contains(pod_spec, '"hostIPC":true') OR contains(pod_spec, '"hostNetwork":true')
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied OR NOT authored THEN 'low' WHEN NOT (coalesce(pid, false) AND powerful) THEN 'medium' END AS severity,
       who || ' wrote ' || workload || ' with ' || concat_ws(', ', CASE WHEN pid THEN 'hostPID' END, CASE WHEN ipc THEN 'hostIPC' END, CASE WHEN network THEN 'hostNetwork' END) || outcome_words AS detail
FROM shared
WHERE pid OR ipc OR network
