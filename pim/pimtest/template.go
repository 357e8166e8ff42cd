package pimtest

// pageHTML is every page of the sign-in. It is well-formed, so that [Browser]
// and a screen reader read the same thing.
const pageHTML = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<title>{{.Title}} (simulated Microsoft Entra)</title>
<style>{{.Style}}</style>
</head>
<body>
<main>
<p class="sim" role="note">This is a <strong>simulated</strong> Microsoft Entra sign-in page. No real account is used.</p>
<h1>{{.Title}}</h1>
{{if .Error}}<p class="error" role="alert">{{.Error}}</p>
<p>Go back to {{.App}} and start again.</p>
{{else if .User}}<p>Signing in to {{.App}} as <strong>{{.User.Name}}</strong> <span class="upn">{{.User.UPN}}</span></p>
{{if .StepUp}}<p class="step">This is a <strong>step-up{{range .StepUp}} {{.}}{{end}}</strong>: the role asks for this authentication context.</p>
{{else}}<p class="step">This is a <strong>plain</strong> sign-in.</p>
{{end}}<p>Approve the sign-in on your phone. In this simulation the button stands for the phone.</p>
<form method="post" action="/{{.Tenant}}/signin/mfa">
<input type="hidden" name="flow" value="{{.Flow}}" />
<p><button type="submit" name="answer" value="approve">Approve on the phone</button></p>
{{if .Optional}}<p><button type="submit" class="plain" name="answer" value="password">Password only, without MFA</button></p>
{{end}}</form>
{{else}}<p>{{.App}} asks you to sign in.{{if .StepUp}} It is a step-up:{{range .StepUp}} {{.}}{{end}}.{{end}}</p>
<form method="post" action="/{{.Tenant}}/signin/user">
<input type="hidden" name="flow" value="{{.Flow}}" />
<fieldset>
<legend>Who are you?</legend>
{{range .People}}<p><label><input type="radio" name="user" value="{{.ID}}" required="required"{{if .Chosen}} checked="checked"{{end}} /> {{.Name}}{{if .Guest}} (guest){{end}} <span class="upn">{{.UPN}}</span></label></p>
{{end}}</fieldset>
<p><button type="submit">Next</button></p>
</form>
{{end}}{{if .Flow}}<form method="post" action="/{{.Tenant}}/signin/cancel">
<input type="hidden" name="flow" value="{{.Flow}}" />
<p><button type="submit" class="plain">Cancel</button></p>
</form>
{{end}}</main>
</body>
</html>
`

// pageStyle follows the person's choice of light or dark.
const pageStyle = `:root{color-scheme:light dark;--paper:#fff;--ground:#eef1f5;--ink:#1b1b1f;--soft:#5a5f6b;--line:#c3c8d2;--accent:#0b5cad;--warn:#a4262c;--note:#fff4ce;--noteink:#4d3800}
@media (prefers-color-scheme:dark){:root{--paper:#20232a;--ground:#14161b;--ink:#eceef2;--soft:#a9b0bd;--line:#454b57;--accent:#7ab8ff;--warn:#ff9a9f;--note:#3d3413;--noteink:#ffe9a6}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,"Segoe UI",sans-serif}
main{max-width:28rem;margin:6vh auto;padding:1.5rem 2rem 2rem;background:var(--paper);border:1px solid var(--line);border-radius:8px}
h1{font-size:1.5rem;line-height:1.25;margin:.5rem 0 1rem}
.sim{margin:0 0 1rem;padding:.5rem .75rem;border-radius:4px;background:var(--note);color:var(--noteink);font-size:.9rem}
.upn{color:var(--soft);font-size:.9rem;overflow-wrap:anywhere}
.error{color:var(--warn);overflow-wrap:anywhere}
fieldset{border:1px solid var(--line);border-radius:6px;margin:0;padding:.25rem 1rem}
legend{padding:0 .4rem}
fieldset p{margin:.5rem 0}
label{display:block;padding:.25rem 0;cursor:pointer}
form p{margin:.75rem 0 0}
fieldset+p{margin-top:1rem}
button{width:100%;padding:.6rem 1rem;font:inherit;border-radius:4px;border:1px solid var(--accent);background:var(--accent);color:var(--paper);cursor:pointer}
button.plain{background:transparent;color:var(--accent)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}`
