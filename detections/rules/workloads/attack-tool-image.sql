/*---
id: attack-tool-image
title: A workload runs a tool for attacking clusters
techniques: [C11]
status: stable
severity: medium
confidence: medium
attack: [T1610, T1613]
threat_matrix: [MS-TA9029]
layer: container
control: detection
practice: runtime
needs: {level: Request, verbs: [create, update, patch], resources: [pods, deployments, daemonsets, statefulsets, jobs, cronjobs, replicasets]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  peirates, kube-hunter, deepce and their like have no other purpose than finding ways on from inside a pod.
blind_spots: >-
  Tools in images of other names. Pods that never pass the kube-apiserver's audit log (static pods), and what an
  admission webhook adds where the level hides the stored object.
false_positives: >-
  Authorised tests.
triage:
  - Who wrote it, and was it agreed on?
  - What else did this identity write, and did a pod of it run (timeline of the namespace)?
  - Delete the workload; treat its node as taken until shown otherwise.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied OR NOT authored THEN 'low' END AS severity,
       who || ' wrote ' || workload || ' with ' || container_kind || ' ' || container_name || ' (' || coalesce(image, '') || ')' || outcome_words AS detail
FROM workload_containers
WHERE regexp_matches(lower(coalesce(image, '') || ' ' || container_name || ' ' || coalesce(command_line, '')),
                     'peirates|kube-?hunter|kdigger|deepce|\bcdk(-team)?\b|botb\b|break-?out-the-box|kubeletctl|badpods|bad-pods|stratus-red-team|amicontained|ddexec|traitor|linpeas|sliver|mythic|\bmetasploit|\bkalilinux|kali-rolling|chisel\b|ligolo|\bfrpc?\b.*frp|\bngrok\b')
