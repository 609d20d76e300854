# Becomes a program with an environment that nothing before it has had: none of the programs which limit and isolate code
# runs with a variable of the author's. What stands on the standard input is run, and must say no more than
# `export NAME='VALUE'` and `set -- WORD... "$@"`.
#   with-environment.sh PROGRAM...
unset PWD OLDPWD SHLVL _ PATH
text=
while IFS= read -r line; do
  text="$text$line
"
done
eval "$text"
exec "$@" </dev/null
