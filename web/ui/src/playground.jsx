import './nonce.js';
import { useEffect, useRef, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { GraphiQL } from 'graphiql';
import { ToolbarButton, useEditorContext, usePluginStore, useSchemaStore } from '@graphiql/react';
import { parse, validate } from 'graphql';
import * as credential from './credential.js';
import { examples } from './examples.js';

const narrow = matchMedia('(max-width: 700px)').matches;
const link = new URLSearchParams(location.search);

/** What the parts outside of React's tree of GraphiQL tell each other. */
const signals = new EventTarget();
const signal = (name, detail) => signals.dispatchEvent(new CustomEvent(name, { detail }));

function useSignal(name, listener) {
  useEffect(() => {
    signals.addEventListener(name, listener);
    return () => signals.removeEventListener(name, listener);
  });
}

async function fetcher(params) {
  if (!credential.get()) {
    signal('ask');
    return { errors: [{ message: 'This server wants a key: “Enter a key” above takes one.' }] };
  }
  const start = performance.now();
  const response = await fetch('graphql', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'application/graphql-response+json, application/json;q=0.9', ...credential.headers() },
    body: JSON.stringify(params),
  });
  const body = await response.text();
  if (params.operationName !== 'IntrospectionQuery') {
    signal('answered', { response, milliseconds: performance.now() - start, bytes: body.length });
  }
  if (response.status === 401) signal('ask', 'The server does not know this key.');
  return JSON.parse(body);
}

function Examples() {
  const { queryEditor, variableEditor, tabs, activeTabIndex, addTab, setOperationName } = useEditorContext({ nonNull: true });
  const { schema } = useSchemaStore();
  const show = (example) => {
    const current = tabs[activeTabIndex].query?.trim();
    if (current && !examples.some((e) => e.query.trim() === current)) addTab(); // what somebody wrote stays
    setTimeout(() => { // when the new tab is there
      queryEditor.setValue(example.query);
      variableEditor.setValue(example.variables);
      setOperationName(example.name); // else Run would ask for the one before, until GraphiQL has read the text
      queryEditor.focus();
    });
  };
  return (
    <section className="examples" aria-label="Examples">
      <h2>Examples</h2>
      <ul>
        {examples.filter((e) => !schema || validate(schema, parse(e.query)).length === 0).map((e) => (
          <li key={e.title}>
            <button type="button" onClick={() => show(e)}>
              <strong>{e.title}</strong>
              <span>{e.description}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

const ExamplesIcon = () => (
  <svg viewBox="0 0 24 24" width="1em" height="1em" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" aria-hidden="true">
    <path d="M9 6h11M9 12h11M9 18h11M4.5 6h.01M4.5 12h.01M4.5 18h.01" />
  </svg>
);
const examplesPlugin = { title: 'Examples', icon: ExamplesIcon, content: Examples };

/** Puts the query into the address bar, and the address into the clipboard. */
function LinkButton() {
  const { queryEditor, variableEditor } = useEditorContext({ nonNull: true });
  const { introspect } = useSchemaStore();
  useSignal('key', introspect);
  const { plugins } = usePluginStore();
  useEffect(() => {
    // The prop for a pane that is open at first does not work in GraphiQL: its interface hides the pane again.
    if (!narrow) document.querySelector('[aria-label="Show Examples"]')?.click();
  }, [plugins]);
  const [copied, setCopied] = useState(false);
  const onClick = async () => {
    const target = new URL('playground', location.href);
    target.searchParams.set('query', queryEditor.getValue());
    const variables = variableEditor.getValue().trim();
    if (variables) target.searchParams.set('variables', variables);
    history.replaceState(null, '', target);
    try {
      await navigator.clipboard.writeText(target.href);
      setCopied(true);
      setTimeout(() => setCopied(false), 2000);
    } catch { /* no clipboard: the address bar has it */ }
  };
  return (
    <ToolbarButton label={copied ? 'Copied' : 'Copy a link to this query'} onClick={onClick}>
      <svg className="graphiql-toolbar-icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" aria-hidden="true">
        <path d="M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7l-1.2 1.2M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.7l1.2-1.2" />
      </svg>
    </ToolbarButton>
  );
}

/** What HTTP said of the last answer. */
function Status() {
  const [answer, setAnswer] = useState(null);
  useSignal('answered', (e) => setAnswer(e.detail));
  if (!answer) return <p className="status" role="status">Ctrl+Enter runs the query.</p>;
  const { response, milliseconds, bytes } = answer;
  const header = (name) => response.headers.get(name);
  const parts = [`HTTP ${response.status}`, `${Math.round(milliseconds)} ms`, `${(bytes / 1000).toFixed(1)} kB`];
  if (header('RateLimit-Limit')) parts.push(`${header('RateLimit-Remaining')} of ${header('RateLimit-Limit')} units left for ${header('RateLimit-Reset')} s`);
  if (header('Retry-After')) parts.push(`come back in ${header('Retry-After')} s`);
  parts.push(`request ${header('X-Request-Id')}`);
  return <p className="status" role="status">{parts.join(' · ')}</p>;
}

function KeyDialog() {
  const dialog = useRef(null);
  const input = useRef(null);
  const [note, setNote] = useState('');
  const open = (why) => {
    setNote(why ?? '');
    input.current.value = credential.get();
    if (!dialog.current.open) dialog.current.showModal();
  };
  useSignal('ask', (e) => open(e.detail));
  useEffect(() => { if (!credential.get()) open(); }, []);
  const use = (event) => {
    event.preventDefault();
    const value = input.current.value.trim();
    if (value && !credential.isSendable(value)) {
      setNote('A key is made of ASCII characters without blanks.');
      return;
    }
    credential.set(value);
    dialog.current.close();
    signal('key');
  };
  return (
    <dialog ref={dialog} className="key" aria-labelledby="key-title">
      <form onSubmit={use} autoComplete="off">
        <h2 id="key-title">Key</h2>
        <label htmlFor="key">API key or JWT</label>
        <input id="key" ref={input} type="password" autoComplete="off" spellCheck="false" placeholder="in the demo: dev-public-key" />
        <p className="note" role="status">{note}</p>
        <p>It is sent to this server only, and kept until this browser tab is closed. Log export and key management need a key of the role ADMIN, in the demo <code>dev-admin-key</code>.</p>
        <div className="buttons">
          <button type="button" onClick={() => dialog.current.close()}>Cancel</button>
          <button type="submit" className="primary">Use key</button>
        </div>
      </form>
    </dialog>
  );
}

function Playground() {
  const [hasKey, setHasKey] = useState(Boolean(credential.get()));
  useSignal('key', () => setHasKey(Boolean(credential.get())));
  return (
    <>
      <header className="bar">
        <a className="brand" href="/"><img src="/favicon.svg" alt="" width="22" height="22" />coingraph</a>
        <nav aria-label="Pages">
          <a href="/">Charts</a>
          <a href="/playground" aria-current="page">Playground</a>
          <a href="/docs">REST</a>
          <a href="/redoc">Reference</a>
        </nav>
        <button type="button" className={hasKey ? '' : 'primary'} onClick={() => signal('ask')}>{hasKey ? 'Change key' : 'Enter a key'}</button>
      </header>
      <GraphiQL
        fetcher={fetcher}
        plugins={[examplesPlugin]}
        schema={hasKey ? undefined : null} // without a key the server shows none: it is not asked
        query={link.get('query') ?? undefined}
        variables={link.get('variables') ?? undefined}
        operationName={link.get('operationName') ?? undefined}
        defaultQuery={examples[0].query}
        defaultEditorToolsVisibility="variables"
        inputValueDeprecation
        schemaDescription
        // GraphiQL's history keeps headers in localStorage, where a key must not be: the dialog takes it instead.
        isHeadersEditorEnabled={false}
        shouldPersistHeaders={false}
      >
        <GraphiQL.Logo>{' '}</GraphiQL.Logo>
        <GraphiQL.Toolbar>
          {({ prettify, merge, copy }) => <>{prettify}{merge}{copy}<LinkButton /></>}
        </GraphiQL.Toolbar>
        <GraphiQL.Footer><Status /></GraphiQL.Footer>
      </GraphiQL>
      <KeyDialog />
    </>
  );
}

createRoot(document.getElementById('root')).render(<Playground />);
