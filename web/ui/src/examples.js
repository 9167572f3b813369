// The menu of worked examples, out of examples.graphql, where also the tests read them. An example begins with a line
// "### title"; its comment is its description, in which a line "# variables: {…}" may stand.
import text from './examples.graphql';

export const examples = text.split(/^### /m).slice(1).map((part) => {
  const [title, ...lines] = part.split('\n');
  const comment = lines.filter((line) => line.startsWith('# '));
  const variables = comment.find((line) => line.startsWith('# variables: '))?.slice('# variables: '.length);
  return {
    title,
    name: part.match(/^query (\w+)/m)[1],
    description: comment.filter((line) => !line.startsWith('# variables: ')).map((line) => line.slice(2)).join(' '),
    query: `# ${title}\n\n${lines.filter((line) => !line.startsWith('# ')).join('\n').trim()}\n`,
    variables: variables ? JSON.stringify(JSON.parse(variables), null, 2) : '',
  };
});
