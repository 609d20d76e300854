# Runs as the first process of a code worker's own mount and process namespaces: hides what is the platform's, leaves the
# worker its own directories, leaves nothing else to be written to, and becomes its program.
#   isolate.sh WORKING_DIRECTORY SCRATCH OUTER... -- HIDDEN... -- INNER... -- PROGRAM...
# OUTER lie in /tmp, INNER in hidden directories; together they are at most four. They and the working directory can be
# read and not be written.
set -e
working=$1
scratch=$2
shift 2

# Descriptors lead to directories that are hidden by then: 4 and 5, then OUTER and INNER in their order.
exec 4<"$working" 5<"$scratch"
part=outer
next=6
for word in "$@"; do
  case $part$word in
    outer--) part=hidden ;;
    hidden--) part=inner ;;
    inner--) break ;;
    hidden*) ;;
    *)
      eval "exec $next<\"\$word\""
      next=$((next + 1))
      ;;
  esac
done

keep() {
  mkdir -p "$2"
  mount -c --bind "/proc/self/fd/$1" "$2"
  [ "$3" = writable ] || mount -o remount,bind,ro "$2"
}

# A directory for temporary files that no other process sees.
mount -c --bind /proc/self/fd/5 /tmp
next=6
while [ "$1" != -- ]; do
  keep "$next" "$1" fixed
  next=$((next + 1))
  shift
done
shift
while [ "$1" != -- ]; do
  [ ! -d "$1" ] || mount -t tmpfs -o size=1m,mode=755 none "$1"
  shift
done
shift
keep 5 "$scratch" writable
while [ "$1" != -- ]; do
  keep "$next" "$1" fixed
  next=$((next + 1))
  shift
done
shift
keep 4 "$working" fixed

# Memory that its processes share; what others share is not there.
[ ! -d /dev/shm ] || mount -t tmpfs -o size=256m,mode=1777 none /dev/shm
[ ! -d /sys/fs/cgroup ] || mount -t tmpfs -o size=4k,mode=755,ro none /sys/fs/cgroup
# Whoever is root outside owns the machine's devices and settings, although without any right over them.
read -r _ outside _ </proc/self/uid_map
if [ "$outside" = 0 ]; then
  mount --bind /proc/sys /proc/sys
  mount -o remount,bind,ro /proc/sys
  for file in /etc/shadow /etc/shadow- /etc/gshadow /etc/gshadow- /proc/sysrq-trigger /dev/mem /dev/kmsg; do
    [ ! -e "$file" ] || mount --bind /dev/null "$file"
  done
  for file in /dev/*; do
    [ ! -b "$file" ] || mount --bind /dev/null "$file"
  done
fi
# Who can reach the socket of a database or of a container engine can do what these can.
for socket in /run/*.sock /run/*/*.sock /run/*/.s.*; do
  case $socket in
    /run/systemd/* | /run/nscd/*) ;;
    *) [ ! -S "$socket" ] || mount --bind /dev/null "$socket" ;;
  esac
done
# Nothing else can be written to. A file system that cannot be had without writing stays as it is.
while read -r _ _ _ _ place options _; do
  case $place in
    /proc | /proc/* | /dev | /dev/* | /sys/fs/cgroup/* | /tmp | "$scratch") continue ;;
  esac
  case $options in
    rw*) mount -o "remount,bind,ro${options#rw}" "$place" 2>/dev/null || : ;;
  esac
done </proc/self/mountinfo
exec 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-
cd "$working"
exec "$@"
