package slacktest

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

func TestMrkdwn(t *testing.T) {
	for in, want := range map[string]string{
		`*bold* and _italic_ and ~gone~`:          `<strong>bold</strong> and <em>italic</em> and <s>gone</s>`,
		`*bold _and italic_*`:                     `<strong>bold <em>and italic</em></strong>`,
		`snake_case_name and 2*3*4`:               `snake_case_name and 2*3*4`,
		`* no list * here`:                        `* no list * here`,
		"`code *not bold* &lt;x&gt;`":             `<code>code *not bold* &lt;x&gt;</code>`,
		"```\na\n<b>\n```":                        "<pre>a\n&lt;b&gt;</pre>",
		"a\nb":                                    `a<br>b`,
		"&gt; quoted\nafter":                      `<blockquote>quoted</blockquote>after`,
		`<https://example.com/?a=1&amp;b=2|here>`: `<a href="https://example.com/?a=1&amp;b=2" target="_blank" rel="noopener noreferrer">here</a>`,
		`<https://example.com>`:                   `<a href="https://example.com" target="_blank" rel="noopener noreferrer">https://example.com</a>`,
		`<mailto:a@example.com>`:                  `<a href="mailto:a@example.com" target="_blank" rel="noopener noreferrer">a@example.com</a>`,
		`<javascript:alert(1)|click>`:             `click`,
		`<@U0ALICE> <#C0ROOM|room> <!channel>`:    `<span class="mention">@U0ALICE</span> <span class="mention">#room</span> <span class="mention">@channel</span>`,
		`&lt;!channel&gt; &amp;amp;`:              `&lt;!channel&gt; &amp;amp;`,
		`<!date^1392734382^Posted {date_num} {time_secs}|fallback>`:          `<time datetime="2014-02-18T14:39:42Z">Posted 2014-02-18 2:39:42 PM</time>`,
		`<!date^1392734382^{date_long} {date_short}^https://example.com/|f>`: `<a href="https://example.com/" target="_blank" rel="noopener noreferrer"><time datetime="2014-02-18T14:39:42Z">Tuesday, February 18th, 2014 Feb 18, 2014</time></a>`,
		`<!date^1392734382^{wrong}|fall <back>`:                              `<time datetime="2014-02-18T14:39:42Z">fall &lt;back</time>`,
		`<!date^soon^{date}|later>`:                                          `later`,
		`<img src=x onerror=alert(1)>`:                                       `img src=x onerror=alert(1)`,
		"unclosed `code, *bold and <link":                                    "unclosed `code, *bold and &lt;link",
		`"quoted" & 'so'`:                                                    `&#34;quoted&#34; &amp; &#39;so&#39;`,
		`<https://example.com/"onmouseover="x|<b>>`:                          `<a href="https://example.com/&#34;onmouseover=&#34;x" target="_blank" rel="noopener noreferrer">&lt;b</a>&gt;`,
	} {
		if got := Render(nil, in); got != `<p class="text">`+want+`</p>` {
			t.Errorf("%s\ngot  %s\nwant %s", in, got, want)
		}
	}
}

func TestRenderBlocks(t *testing.T) {
	for _, c := range []struct{ blocks, want string }{
		{`[{"type":"header","block_id":"h","text":{"type":"plain_text","text":"A <b> & *c*"}}]`, `<div class="block header" data-block-id="h"><h3>A &lt;b&gt; &amp; *c*</h3></div>`},
		{`[{"type":"divider"}]`, `<hr>`},
		{`[{"type":"section","block_id":"s","text":{"type":"mrkdwn","text":"*x*"},"fields":[{"type":"plain_text","text":"f1\nf2"}]}]`,
			`<div class="block section" data-block-id="s"><p><strong>x</strong></p><div class="fields"><div>f1<br>f2</div></div></div>`},
		{`[{"type":"context","block_id":"c","elements":[{"type":"plain_text","text":"one"},{"type":"mrkdwn","text":"_two_"}]}]`,
			`<div class="block context" data-block-id="c"><span>one</span> <span><em>two</em></span> </div>`},
		{`[{"type":"actions","block_id":"a","elements":[{"type":"button","action_id":"ok","value":"v\"1","style":"primary","text":{"type":"plain_text","text":"Approve"}}]}]`,
			`<button type="button" data-block-id="a" data-action-id="ok" class="button primary" data-value="v&#34;1">Approve</button>`},
		{`[{"type":"actions","block_id":"a","elements":[{"type":"button","action_id":"go","url":"https://example.com/","accessibility_label":"Open it","text":{"type":"plain_text","text":"Open"}}]}]`,
			`<a href="https://example.com/" target="_blank" rel="noopener noreferrer" data-block-id="a" data-action-id="go" class="button" data-value="" aria-label="Open it">Open</a>`},
		{`[{"type":"actions","block_id":"a","elements":[{"type":"overflow","action_id":"o","options":[{"text":{"type":"plain_text","text":"Remind"},"value":"r"}]}]}]`, `<option value="r">Remind</option>`},
		{`{"not":"a list"}`, `<pre class="undecodable">{&#34;not&#34;:&#34;a list&#34;}</pre>`},
	} {
		if got := Render(json.RawMessage(c.blocks), "fallback"); !strings.Contains(got, c.want) {
			t.Errorf("%s\ngot  %s\nwant %s", c.blocks, got, c.want)
		}
	}
}

func TestRenderView(t *testing.T) {
	w := start(t)
	id := w.modal(alice, formView)
	w.must(w.Change(ctx(t), alice, id, "role", "pick", "owner"))
	w.must(w.Submit(ctx(t), alice, id, fields{"why": {"text": `"x`}}))
	v, _ := w.State().Top(alice)
	got := RenderView(v)
	for _, want := range []string{
		`<div class="view" data-view-id="` + id + `">`,
		`<option value="owner" selected>Owner</option>`,
		`value="&#34;x"`, `maxlength="20"`, `aria-invalid="true"`, `role="alert">Too short: at least 3 characters.</span>`,
		`Scope <small>(optional)</small>`, `data-external="true" data-min-query-length="0"`, `data-dispatch="true"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

// Whatever a message says, the only tags are the renderer's own.
func FuzzRender(f *testing.F) {
	for _, s := range []string{"*a* _b_ ~c~ `d`", "<https://x|<script>>", "<!date^1^{date}|<img>>", "```<a>", "&lt;&gt;&amp;", "<a|b", "> \"'", "<\x00javascript:x>", "*_~*_~"} {
		f.Add(s)
	}
	tag := regexp.MustCompile(`</?[A-Za-z!][^>]*>?`)
	own := regexp.MustCompile(`^</?(p class="text"|p|strong|em|s|code|pre|br|blockquote|a|time|span|span class="mention"|time datetime="[0-9tz:+-]*"|a href="(https?://|mailto:)[^"<>]*" target="_blank" rel="noopener noreferrer")>$`)
	f.Fuzz(func(t *testing.T, s string) {
		for _, found := range tag.FindAllString(Render(nil, s), -1) {
			if !own.MatchString(strings.ToLower(found)) {
				t.Errorf("%q made the tag %q", s, found)
			}
		}
	})
}
