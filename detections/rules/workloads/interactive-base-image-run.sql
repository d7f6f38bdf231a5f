/*---
id: interactive-base-image-run
title: A bare pod of a debugging image was started
techniques: [C12]
status: stable
severity: low
confidence: low
attack: [T1610]
threat_matrix: [MS-TA9008]
layer: container
control: detection
practice: runtime
needs: {level: Request, verbs: [create, update, patch], resources: [pods, deployments, daemonsets, statefulsets, jobs, cronjobs, replicasets]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  A pod of busybox or a network toolbox that nobody's controller owns is how people, and intruders, get a shell
  with a service account beside a workload.
blind_spots: >-
  Pods that never pass the kube-apiserver's audit log (static pods), and what an admission webhook adds where
  the level hides the stored object.
false_positives: >-
  People debugging. It adds to other findings about the identity.
triage:
  - Who wrote it, and was it agreed on?
  - What else did this identity write, and did a pod of it run (timeline of the namespace)?
  - Delete the workload; treat its node as taken until shown otherwise.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied OR NOT authored THEN 'informational' END AS severity,
       who || ' started ' || workload || ' from ' || image || outcome_words AS detail
FROM workload_containers
WHERE resource = 'pods' AND authored AND container_kind <> 'init container'
  AND regexp_matches(lower(image), '(^|/)(busybox|alpine|ubuntu|debian|centos|fedora|rockylinux|amazonlinux|netshoot|network-multitool|curl|curlimages/curl|dnsutils|jessie-dnsutils|agnhost|powershell|python|bash)(:|@|$)')
