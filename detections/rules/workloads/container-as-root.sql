/*---
id: container-as-root
title: A container is set to run as root
techniques: [D07]
status: stable
severity: informational
confidence: low
attack: [T1611]
threat_matrix: [MS-TA9018]
layer: container
control: prevention
practice: pod-security
needs: {level: Request, verbs: [create, update, patch], resources: [pods, deployments, daemonsets, statefulsets, jobs, cronjobs, replicasets]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Root inside a container is one kernel bug away from root on the node. On its own it is ordinary; beside other
  findings about the same workload it counts.
blind_spots: >-
  Pods that never pass the kube-apiserver's audit log (static pods), and what an admission webhook adds where
  the level hides the stored object. Images that run as root because nothing says otherwise: the log does not
  show what an image's default user is.
false_positives: >-
  Very common. It is here to add to other findings, not to be followed alone.
triage:
  - Who wrote it, and was it agreed on?
  - What else did this identity write, and did a pod of it run (timeline of the namespace)?
  - Delete the workload; treat its node as taken until shown otherwise.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       'informational' AS severity,
       who || ' wrote ' || workload || ' with ' || container || CASE risk WHEN 'run_as_root' THEN ' as user 0' ELSE ' allowed to gain privileges' END || outcome_words AS detail
FROM pod_risks
WHERE risk IN ('run_as_root', 'allow_escalation')
