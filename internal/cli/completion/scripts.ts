/**
 * What shells load to complete our command lines. Each asks the program by `__complete` (protocol.ts), so that the scripts need no
 * change when commands do. None lets the shell evaluate what it was answered.
 */

/** Shells that have a script. */
export const SHELLS = ["bash", "zsh", "fish", "powershell"] as const;
export type Shell = (typeof SHELLS)[number];

// Bash splits words at = and :, and replaces only what comes after. The whole word is put together for the question,
// and what bash keeps is cut off the answers.
const bash = `# Completion of onloadctl for bash 3.2 and later.
_onloadctl() {
  local -a words answers
  local i piece last="" cur="\${COMP_WORDS[COMP_CWORD]}" line typed kept
  COMPREPLY=()
  for ((i = 1; i <= COMP_CWORD; i++)); do
    piece="\${COMP_WORDS[i]}"
    if ((\${#words[@]} > 0)) && [[ "$piece" == [=:]* || "$last" == *[=:] ]]; then
      words[\${#words[@]}-1]+="$piece"
    else
      words+=("$piece")
    fi
    last="$piece"
  done
  [[ "$cur" == [=:]* ]] && cur="\${cur#?}"
  typed="\${words[\${#words[@]}-1]}"
  [[ "$typed" == -*=* ]] && typed="\${typed#*=}"
  kept="\${typed%"$cur"}"
  while IFS= read -r line; do answers+=("$line"); done < <("\${COMP_WORDS[0]}" __complete "\${words[@]}" 2>/dev/null)
  ((\${#answers[@]} > 0)) || return 0
  if [[ "\${answers[\${#answers[@]}-1]}" == ":0" ]]; then
    compopt -o default 2>/dev/null
  fi
  for line in "\${answers[@]}"; do
    [[ "$line" == :* ]] && continue
    line="\${line%%$'\\t'*}"
    [[ "$line" == "$typed"* ]] && COMPREPLY+=("\${line#"$kept"}")
  done
}
complete -F _onloadctl onloadctl
`;

const zsh = `#compdef onloadctl
# Completion of onloadctl for zsh: load it with source, or put it as _onloadctl into a folder of $fpath.
_onloadctl() {
  local -a answers values described
  local line value
  answers=("\${(@f)$("\${words[1]}" __complete "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  (( $#answers )) || return 1
  if [[ $PREFIX == -*=* ]]; then compset -P '*='; fi
  if [[ $answers[-1] == ":0" ]]; then
    _files
  fi
  for line in "\${(@)answers}"; do
    [[ $line == :* || -z $line ]] && continue
    value="\${line%%$'\\t'*}"
    values+=("$value")
    if [[ $line == *$'\\t'* ]]; then described+=("$value -- \${line#*$'\\t'}"); else described+=("$value"); fi
  done
  (( $#values )) && compadd -l -d described -a values
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _onloadctl "$@"; else compdef _onloadctl onloadctl; fi
`;

const fish = `# Completion of onloadctl for fish.
function __onloadctl_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l answers ($words[1] __complete $words[2..-1] 2>/dev/null)
  set -l prefix ''
  if string match -qr -- '^-[^=]*=' $words[-1]
    set prefix (string match -r -- '^-[^=]*=' $words[-1])
  end
  if test "$answers[-1]" = ':0'
    __fish_complete_path (string replace -- "$prefix" '' $words[-1]) | string replace -r -- '^' "$prefix"
  end
  for answer in $answers
    string match -q -- ':*' $answer; or printf '%s%s\\n' $prefix $answer
  end
end
complete -c onloadctl -f -a '(__onloadctl_complete)'
`;

// PowerShell puts the answer into the line as it is: one with characters that mean something there is quoted by its own
// function, which knows all that it takes for quotes. It completes files if a completer returns nothing, and nothing for "".
const powershell = `# Completion of onloadctl for PowerShell 7: onloadctl completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName 'onloadctl' -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $elements = @($commandAst.CommandElements | Where-Object { $_.Extent.StartOffset -lt $cursorPosition })
  if ($elements.Count -eq 0) { return }
  $words = @($elements | Select-Object -Skip 1 | ForEach-Object {
    if ($_ -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $_.Value } else { $_.Extent.Text }
  })
  $typed = ''
  if ($elements[-1].Extent.EndOffset -ge $cursorPosition -and $words.Count -gt 0) {
    $typed = $words[-1]
  } else {
    # Before 7.3, PowerShell leaves an empty argument out unless it is quoted twice.
    $version = $PSVersionTable.PSVersion
    $old = $version.Major -lt 7 -or ($version.Major -eq 7 -and $version.Minor -lt 3)
    if ($old -or $PSNativeCommandArgumentPassing -eq 'Legacy') { $words += '""' } else { $words += '' }
  }
  $program = $elements[0]
  if ($program -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $name = $program.Value } else { return }
  $answers = @(& $name __complete @words 2>$null)
  if ($answers.Count -eq 0) { return }
  $prefix = ''
  if ($typed -match '^-[^=]*=') { $prefix = $Matches[0] }
  $files = $answers[-1] -eq ':0'
  $found = $false
  foreach ($answer in $answers) {
    if ($answer.StartsWith(':') -or $answer -eq '') { continue }
    $value, $meaning = $answer -split [char]9, 2
    $text = $value
    if ($value -notmatch '^[A-Za-z0-9_./:+=-]+$') {
      $text = "'" + [System.Management.Automation.Language.CodeGeneration]::EscapeSingleQuotedStringContent($value) + "'"
    }
    if (-not $meaning) { $meaning = $value }
    $found = $true
    [System.Management.Automation.CompletionResult]::new("$prefix$text", $value, 'ParameterValue', $meaning)
  }
  if ($files) {
    foreach ($file in [System.Management.Automation.CompletionCompleters]::CompleteFilename($typed.Substring($prefix.Length))) {
      $found = $true
      [System.Management.Automation.CompletionResult]::new($prefix + $file.CompletionText, $file.ListItemText, $file.ResultType, $file.ToolTip)
    }
  }
  if (-not $found) { '' }
}
`;

const SCRIPTS: Record<Shell, string> = { bash, zsh, fish, powershell };

/** How files with a script for a shell end. */
export const EXTENSIONS: Record<Shell, string> = { bash: "bash", zsh: "zsh", fish: "fish", powershell: "ps1" };

/** The script for a shell. */
export function completionScript(shell: Shell): string {
  return SCRIPTS[shell];
}
