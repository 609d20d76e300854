# Runs as the first process of a code worker's own mount and process namespaces: hides what is the platform's, leaves the
# worker its own directories, leaves nothing else to be written to, and becomes its program.
#   isolate.sh WORKING_DIRECTORY SCRATCH OUTER... -- HIDDEN... -- INNER... -- [DIRECTORY PLACE]... -- PROGRAM...
# OUTER lie in /tmp, INNER in hidden directories; together they are at most four. They and the working directory can be
# read and not be written. Each DIRECTORY is seen at its PLACE, too, which need not exist.
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
if [ "$1" = -- ]; then
  shift
  cd "$working"
  exec "$@"
fi

# A root of its own, made of the machine's directories: in it places can be made where an ordinary user may make none.
root=$scratch/.root
old=$scratch/.old
mkdir -p "$root" "$old"
made="
"

# Gives the directory $1 the entries of $2, each of them a mount.
mirror() {
  mount -t tmpfs -o size=1m,mode=755 none "$1"
  made="$made$1
"
  for entry in "$2"/* "$2"/.[!.]*; do
    name=${entry##*/}
    if [ -L "$entry" ]; then
      cp -P "$entry" "$1/$name"
    elif [ -d "$entry" ]; then
      mkdir "$1/$name"
      mount -c --rbind "$entry" "$1/$name"
    elif [ -e "$entry" ]; then
      : >"$1/$name"
      mount -c --bind "$entry" "$1/$name"
    fi
  done
}

# Makes the directory $1 of the new root; what is the machine's own does not change.
make_place() {
  at=$root
  rest=${1#/}
  while [ -d "$at/${rest%%/*}" ] && [ ! -L "$at/${rest%%/*}" ]; do
    at=$at/${rest%%/*}
    case $rest in
      */*) rest=${rest#*/} ;;
      *) return ;;
    esac
  done
  case $made in
    *"
$at
"*) ;;
    *)
      mount -c --rbind "$at" "$old"
      mirror "$at" "$old"
      umount -l "$old"
      ;;
  esac
  mkdir -p "$at/$rest"
}

mirror "$root" ""
while [ "$1" != -- ]; do
  make_place "$2"
  mount -c --bind "$1" "$root$2"
  mount -o remount,bind,ro "$root$2"
  shift 2
done
shift
# Nor can the directories that were made here be written to.
while read -r place; do
  [ -z "$place" ] || mount -o remount,ro "$place"
done <<EOM
$made
EOM
exec chroot "$root" sh -c 'cd "$0" && exec "$@"' "$working" "$@"
